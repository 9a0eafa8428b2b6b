import { count, hash, instant, list, name, object, oneOf, optional, text, truth, uuid } from '@exequatur/contracts';
import type { Schema } from '@exequatur/contracts';
import { REQUEST_STATUSES } from '../queue-view/queue-row.js';

const orNull = <T>(of: Schema<T>): Schema<T | null> => ({ json: { anyOf: [of.json, { type: 'null' }] } });
const stage = object({ roles: list(name(), 20), quorum: count(20) });
const approval = object({ person: name(), role: name(), stage: count(10) });

/** For the reference: one entry of the queue. */
export const queueEntry = object({
  approval_id: uuid(),
  action_id: uuid(),
  status: oneOf(...REQUEST_STATUSES),
  version: count(),
  decision_summary: object({ title: text(), why: text(), next_effect: text() }),
  agent: name(),
  agent_owner: orNull(name()),
  run_id: name(),
  action_kind: name(),
  action_class: orNull(name()),
  risk_points: count(),
  policy_hash: hash(),
  policy_version: count(),
  policy_rule_id: text(),
  arguments_hash: hash(),
  view_hash: hash(),
  opened_at: instant(),
  expires_at: instant(),
  on_timeout: text(),
  quorum: object({ stage: count(), stages: list(stage, 10), approvals: list(approval, 200) }),
  current_roles: list(name(), 50),
  resolved_at: orNull(instant()),
  decided_by: orNull(name()),
  environment: orNull(name()),
  group_key: text(32),
  has_reversal: truth(),
  assigned_to: orNull(name()),
  assigned_until: orNull(instant()),
  deferred_until: orNull(instant()),
  asked: list(name(), 50),
  open_questions: count(),
  sla_due_at: orNull(instant()),
  edited_by: orNull(name()),
  emergency: orNull(oneOf('to_review', 'reviewed')),
});

export const groupsAnswer = object({
  items: list(object({ group_key: text(32), action_kind: name(), action_class: orNull(name()), agent: name(), environment: orNull(name()), policy_rule_id: text(), requests: count(), first_expires_at: instant(), all_reversible: truth() })),
});
export const countsAnswer = object({ requests: count(), sla_due: count(), assigned: count(), deferred: count(), waiting_for_answers: count() });


export const queueAnswer = object({ items: list(queueEntry, 200), next_cursor: orNull(text(500)) });

/** For the reference: one request with its card; `card` is null once the action was erased. */
export const requestAnswer = object({
  approval_id: uuid(),
  action_id: uuid(),
  status: oneOf(...REQUEST_STATUSES),
  version: count(),
  card: orNull<object>({ json: { type: 'object' } }),
  view_hash: hash(),
  renderer: text(50),
  arguments_hash: hash(),
  policy_hash: hash(),
  policy_version: count(),
  policy_rule_id: text(),
  expires_at: instant(),
  on_timeout: text(),
  quorum: object({ stage: count(), stages: list(stage, 10), approvals: list(approval, 200) }),
  current_roles: list(name(), 50),
  votes: list(object({ person: name(), role: name(), stage: count(10), vote: oneOf('approve', 'reject', 'respond'), at: instant(), rationale: optional(text(4_000)), granted_arguments_hash: hash(), on_behalf_of: optional(name()), void: optional(truth()) }), 200),
  narrowed: list(object({ pointer: text(200), proposed: text(), accepted: text() }), 50),
  assigned: orNull(object({ person: name(), until: instant() })),
  deferred: orNull(object({ person: name(), until: instant() })),
  escalated_to: object({ roles: list(name(), 20), people: list(name(), 50) }),
  questions: list(object({ question_id: uuid(), asked_by: name(), question: text(20_000), answer: optional(text(20_000)) }), 20),
  emergency: orNull(object({ person: name(), reviewed: truth(), judgement: optional(text(20)), reviewed_by: optional(name()), words: optional(text(4_000)) })),
  resolution: orNull<object>({ json: { type: 'object' } }),
  follows: optional(uuid()),
  edited_by: optional(name()),
});
