import { count, hash, instant, list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
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
  resolved_at: orNull(instant()),
});

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
  votes: list(object({ person: name(), role: name(), stage: count(10), vote: oneOf('approve', 'reject', 'respond'), at: instant(), rationale: optional(text(4_000)), granted_arguments_hash: hash() }), 200),
  narrowed: list(object({ pointer: text(200), proposed: text(), accepted: text() }), 50),
  resolution: orNull<object>({ json: { type: 'object' } }),
});
