import { capsShape } from '../caps.js';
import { defineEvent } from '../event.js';
import { approvalDemand, ON_SILENCE, policyFacts } from '../facts.js';
import { base64url, count, hash, instant, jws, list, name, object, oneOf, optional, text, uuid } from '../schema.js';
import { sealedProposal } from './1-proposal.js';
import { narrowable } from './2-verdict.js';

const request = { approval_id: uuid(), action_id: uuid() };
const approvals = { context: 'approvals', owner: 'approvals', aggregate: 'approval', version: 1 } as const;

const terms = object({
  facts: policyFacts,
  reason: text(1_000),
  action_class: optional(name()),
  thread_id: optional(name()),
  arguments_hash: hash(),
  target_hash: optional(hash()),
  narrowable,
  caps: optional(capsShape),
  on_silence: oneOf(...ON_SILENCE),
});

export const ApprovalOpened = defineEvent({
  ...approvals,
  name: 'ApprovalOpened',
  summary: 'A request stands in the queue; its card is rendered, stored and hashed.',
  data: object({
    ...request,
    agent: name(),
    agent_owner: optional(name()),
    demand: approvalDemand,
    /** hash of SHA-256(salt ‖ canonical card) */
    view_hash: hash(),
    renderer: text(50),
    policy_hash: hash(),
    policy_version: count(),
    rule_id: text(200),
    expires_at: instant(),
    /** the rest of what ApprovalRequired said, so that the grant and the card follow from this stream alone */
    terms: optional(terms),
  }),
  /** card: canonical JSON, a pure function of the sealed proposal and this event's facts */
  sealed: object({ salt: base64url(32), card: text(524_288), proposal: sealedProposal }),
});

export const ApprovalVoted = defineEvent({
  ...approvals,
  name: 'ApprovalVoted',
  summary: 'One person answered; the request is decided when a quorum of each stage has.',
  data: object({
    ...request,
    person: name(),
    role: name(),
    stage: count(10),
    vote: oneOf('approve', 'reject', 'respond'),
    caps: optional(capsShape),
    view_hash: hash(),
    /** hash of the arguments this vote accepts: as proposed, or narrowed */
    granted_arguments_hash: hash(),
  }),
  sealed: object({ rationale: optional(text(4_000)), granted_arguments: optional(text(262_144)) }),
});

export const ApprovalGranted = defineEvent({
  ...approvals,
  name: 'ApprovalGranted',
  authority: true,
  summary: 'The right people agreed; the signed grant says exactly to what.',
  data: object({
    ...request,
    grant_id: uuid(),
    /** signed grant claims, see 4-grant.ts; grant_id is the approval_id */
    grant: jws(),
    approver_ids: list(name(), 50),
    vote_event_ids: list(uuid(), 50),
    granted_arguments_hash: hash(),
    arguments_hash: hash(),
    narrowed: list(text(200), 50),
    view_hash: hash(),
    expires_at: instant(),
  }),
  /** arguments: the granted ones, canonical; what managed execution sends */
  sealed: sealedProposal,
});

export const ApprovalRejected = defineEvent({
  ...approvals,
  name: 'ApprovalRejected',
  summary: 'A person refused.',
  data: object({ ...request, person: name(), reason_code: name(), instruction: oneOf('abort', 'reroute', 'escalate'), view_hash: hash() }),
  sealed: object({ reason: text(4_000) }),
});

export const ApprovalAnswered = defineEvent({
  ...approvals,
  name: 'ApprovalAnswered',
  summary: 'A person answered in place of the tool; nothing runs.',
  data: object({ ...request, person: name(), view_hash: hash() }),
  sealed: object({ response: text(20_000) }),
});

export const ApprovalExpired = defineEvent({
  ...approvals,
  name: 'ApprovalExpired',
  summary: 'Nobody decided in time; never a refusal by a person and never a yes.',
  data: object({ ...request, on_timeout: oneOf('deny'), expires_at: instant() }),
});

export const ApprovalCancelled = defineEvent({
  ...approvals,
  name: 'ApprovalCancelled',
  summary: 'The agent side withdrew the action before a decision.',
  data: object({ ...request, reason: oneOf('withdrawn') }),
});

export const VoteRefused = defineEvent({
  ...approvals,
  name: 'VoteRefused',
  summary: 'Someone tried to decide and may not.',
  data: object({ ...request, attempted: oneOf('approve', 'reject', 'respond', 'revoke'), code: oneOf('SELF_APPROVAL', 'NOT_ELIGIBLE', 'NOT_A_PERSON', 'ALREADY_VOTED', 'ALREADY_DECIDED', 'APPROVAL_EXPIRED', 'VIEW_CHANGED', 'WIDENS_AUTHORITY', 'REASON_REQUIRED') }),
});

export const GrantRevoked = defineEvent({
  ...approvals,
  name: 'GrantRevoked',
  authority: true,
  summary: 'A person took a grant back; reservations tombstones it (GrantClosed) even before its row exists.',
  data: object({ ...request, grant_id: uuid(), person: name() }),
  sealed: object({ reason: text(4_000) }),
});
