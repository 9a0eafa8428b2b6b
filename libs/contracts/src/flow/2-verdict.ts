import { capsShape } from '../caps.js';
import { defineEvent } from '../event.js';
import { approvalDemand, ON_SILENCE, policyFacts } from '../facts.js';
import { count, hash, instant, jws, list, name, object, oneOf, optional, record, text, truth, uuid } from '../schema.js';
import type { Shape } from '../schema.js';
import { sealedProposal } from './1-proposal.js';
import { argumentBound } from './4-grant.js';

/** Under which policy, by which rule: on every verdict. `rule_id` is `class:<name>` or `default:unknown` where no rule matched. */
const ruling = {
  action_id: uuid(),
  policy_hash: hash(),
  policy_version: count(),
  rule_id: text(200),
  reason: text(1_000),
  action_class: optional(name()),
};

const allowance = {
  ...ruling,
  tier: oneOf('AUTO', 'LOG'),
  /** drawn for review afterwards: ReviewDrawn follows */
  sampled: truth(),
  grant_id: uuid(),
  /** signed grant claims, see 4-grant.ts; grant_id is the action_id */
  grant: jws(),
  expires_at: instant(),
};

export const ActionAllowed = defineEvent({
  name: 'ActionAllowed',
  version: 1,
  context: 'actions',
  owner: 'policy',
  aggregate: 'action',
  authority: true,
  summary: 'Policy allowed the action; the allowance is a signed grant that reservations still has to honour.',
  data: object(allowance),
  sealed: sealedProposal,
});

export const ActionCapped = defineEvent({
  name: 'ActionCapped',
  version: 1,
  context: 'actions',
  owner: 'policy',
  aggregate: 'action',
  authority: true,
  summary: 'Policy allowed the action within caps.',
  data: object({ ...allowance, caps: capsShape }),
  sealed: sealedProposal,
});

/** JSON pointers into the arguments that a reviewer may narrow, from the tool table: by unit for amounts, and the recipients */
export const narrowable = object({ amounts: optional(record(text(200), 20)), recipients: optional(text(200)) });
export type Narrowable = Shape<typeof narrowable>;

export const ApprovalRequired = defineEvent({
  name: 'ApprovalRequired',
  version: 1,
  context: 'actions',
  owner: 'policy',
  aggregate: 'action',
  authority: true,
  summary: 'Policy wants people to decide; approvals opens the request.',
  data: object({
    ...ruling,
    approval_id: uuid(),
    facts: policyFacts,
    thread_id: optional(name()),
    agent_owner: optional(name()),
    act_chain: optional(list(text(300), 6)),
    arguments_hash: hash(),
    target_hash: optional(hash()),
    narrowable,
    demand: approvalDemand,
    /** caps that a matching rule sets already; the grant never exceeds them */
    caps: optional(capsShape),
    /** arguments that may differ from use to use of the grant; the most of an amount is what is granted, so `max` is absent */
    varies: optional(list(argumentBound, 20)),
    on_silence: oneOf(...ON_SILENCE),
    expires_at: instant(),
    /** the action whose edited arguments these are, and the person who edited them: a requester like the agent's owner */
    follows: optional(uuid()),
    edited_by: optional(name()),
  }),
  sealed: sealedProposal,
});

export const ReviewDrawn = defineEvent({
  name: 'ReviewDrawn',
  version: 1,
  context: 'actions',
  owner: 'policy',
  aggregate: 'action',
  summary: 'An allowed action was drawn for review after the fact; people look at it without holding it up.',
  data: object({ ...ruling, tier: oneOf('AUTO', 'LOG'), facts: policyFacts, arguments_hash: hash(), agent_owner: optional(name()), act_chain: optional(list(text(300), 6)) }),
  sealed: sealedProposal,
});

export const ActionQuarantined = defineEvent({
  name: 'ActionQuarantined',
  version: 1,
  context: 'actions',
  owner: 'policy',
  aggregate: 'action',
  summary: 'Policy set the action aside: its kind is unknown, or policy could not be evaluated.',
  data: object({ ...ruling, code: oneOf('QUARANTINED_UNKNOWN_KIND', 'QUARANTINED_POLICY_ERROR', 'QUARANTINED_OUT_OF_BOUNDS') }),
});

export const ActionDenied = defineEvent({
  name: 'ActionDenied',
  version: 1,
  context: 'actions',
  owner: 'policy',
  aggregate: 'action',
  summary: 'Policy denied the action.',
  data: object({ ...ruling, code: oneOf('POLICY_DENIED', 'TOOL_NOT_ALLOWED', 'FROZEN', 'PREVIOUSLY_REJECTED') }),
});
