import { capsShape } from '../caps.js';
import { defineEvent } from '../event.js';
import { approvalDemand, ON_SILENCE, ON_TIMEOUT, policyFacts } from '../facts.js';
import { amount, base64url, count, fraction, hash, instant, jws, list, name, object, oneOf, optional, record, text, truth, uuid } from '../schema.js';
import { sealedProposal } from './1-proposal.js';
import { narrowable } from './2-verdict.js';
import { argumentBound } from './4-grant.js';

const request = { approval_id: uuid(), action_id: uuid() };
const approvals = { context: 'approvals', owner: 'approvals', aggregate: 'approval', version: 1 } as const;

/** What the card shows besides the proposal, canonical JSON: with it the card is recomputed. */
const cardContextText = text(131_072);
/** Another card stands in the request from here on; its hash is what votes name. */
const view = { view_hash: hash(), renderer: text(50) };
const who = { by: name(), by_type: oneOf('person', 'agent') };

const terms = object({
  facts: policyFacts,
  reason: text(1_000),
  action_class: optional(name()),
  thread_id: optional(name()),
  arguments_hash: hash(),
  target_hash: optional(hash()),
  narrowable,
  caps: optional(capsShape),
  varies: optional(list(argumentBound, 20)),
  on_silence: oneOf(...ON_SILENCE),
  follows: optional(uuid()),
  edited_by: optional(name()),
  act_chain: optional(list(text(300), 6)),
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
    /** planted to see whether it is noticed: there is no action behind it, and no decision on it ever gives authority */
    canary: optional(object({ planted_by: name(), like: uuid() })),
  }),
  /** card: canonical JSON, a pure function of the sealed proposal and this event's facts */
  sealed: object({ salt: base64url(32), card: text(524_288), proposal: sealedProposal, context: optional(cardContextText) }),
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
    /** of the arguments that policy lets differ from use to use, those that this vote does; absent: all of them */
    varies: optional(list(text(200), 20)),
    view_hash: hash(),
    /** hash of the arguments this vote accepts: as proposed, or narrowed */
    granted_arguments_hash: hash(),
    /** the person who lent the role this vote counts for */
    on_behalf_of: optional(name()),
    /** from the first look at the card to the vote */
    dwell_ms: optional(count()),
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
    /** outside the quorum, by breaking glass; somebody else reviews it afterwards */
    emergency: optional(truth()),
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
  data: object({ ...request, on_timeout: oneOf(...ON_TIMEOUT), expires_at: instant() }),
});

export const ApprovalCancelled = defineEvent({
  ...approvals,
  name: 'ApprovalCancelled',
  summary: 'The agent side withdrew the action before a decision.',
  data: object({ ...request, reason: oneOf('withdrawn', 'edited') }),
});

export const VoteRefused = defineEvent({
  ...approvals,
  name: 'VoteRefused',
  summary: 'Someone tried to decide and may not.',
  data: object({ ...request, attempted: oneOf('approve', 'reject', 'respond', 'revoke', 'edit', 'break-glass', 'defer', 'escalate', 'assign', 'request-information', 'review'), code: oneOf('SELF_APPROVAL', 'NOT_ELIGIBLE', 'NOT_A_PERSON', 'ALREADY_VOTED', 'ALREADY_DECIDED', 'APPROVAL_EXPIRED', 'VIEW_CHANGED', 'WIDENS_AUTHORITY', 'REASON_REQUIRED', 'STEP_UP_REQUIRED') }),
});

export const GrantRevoked = defineEvent({
  ...approvals,
  name: 'GrantRevoked',
  authority: true,
  summary: 'A grant is taken back, by a person or because a voter lost the role; reservations tombstones it (GrantClosed) even before its row exists.',
  data: object({
    ...request,
    grant_id: uuid(),
    /** who took it back; with a cause, whose vote no longer counts */
    person: name(),
    /** nobody took it back: a role, or the loan of it, that the quorum needs is gone */
    cause: optional(oneOf('role_lost')),
  }),
  sealed: object({ reason: text(4_000) }),
});

export const RevocationTookEffect = defineEvent({
  ...approvals,
  name: 'RevocationTookEffect',
  summary: 'Reservations holds the tombstone of a revoked grant: nothing is consumed from it any more.',
  data: object({ ...request, grant_id: uuid() }),
});

export const EditProposed = defineEvent({
  ...approvals,
  name: 'EditProposed',
  authority: true,
  summary: 'A person changed the arguments beyond what was asked for; policy decides on them as an action of its own that follows this one.',
  data: object({ ...request, person: name(), view_hash: hash(), edited: list(text(200), 50), edited_arguments_hash: hash() }),
  sealed: object({ arguments: text(262_144), rationale: optional(text(4_000)) }),
});

export const CanaryAnswered = defineEvent({
  ...approvals,
  name: 'CanaryAnswered',
  summary: 'A person decided on a planted request; that ends it, whatever they decided.',
  data: object({ ...request, person: name(), vote: oneOf('approve', 'edit', 'break-glass', 'reject', 'respond'), noticed: truth(), view_hash: hash(), dwell_ms: optional(count()) }),
});

export const ApprovalEdited = defineEvent({
  ...approvals,
  name: 'ApprovalEdited',
  summary: 'A person changed the arguments within what was proposed; earlier votes no longer count, since they were for others.',
  data: object({
    ...request,
    person: name(),
    ...view,
    /** top-level parameters in which something is another now, at most 50; deeper names may be personal and stay sealed */
    edited: list(text(200), 50),
    edited_arguments_hash: hash(),
    /** amounts of the edited arguments where they are smaller than proposed */
    max_amount: optional(record(amount(), 20)),
  }),
  sealed: object({ arguments: text(262_144), card: text(524_288), context: cardContextText, rationale: optional(text(4_000)) }),
});

export const VoteLapsed = defineEvent({
  ...approvals,
  name: 'VoteLapsed',
  summary: 'A vote no longer counts: its person lost the role, or the loan of it, before the quorum was full.',
  data: object({ ...request, person: name(), vote_event_id: uuid(), reason: oneOf('role_lost') }),
});

export const ApprovalDeferred = defineEvent({
  ...approvals,
  name: 'ApprovalDeferred',
  summary: 'A person put the request off; its deadline stands.',
  data: object({ ...request, person: name(), until: instant() }),
  sealed: object({ reason: optional(text(4_000)) }),
});

export const ApprovalEscalated = defineEvent({
  ...approvals,
  name: 'ApprovalEscalated',
  summary: 'A senior role that policy named may answer too, or a person is asked by name; the quorum stays.',
  data: object({
    ...request,
    cause: oneOf('person', 'sla', 'timeout'),
    /** who escalated; absent when time did */
    person: optional(name()),
    to_role: optional(name()),
    to_person: optional(name()),
    /** the new deadline, when time was over */
    expires_at: optional(instant()),
  }),
  sealed: object({ reason: optional(text(4_000)) }),
});

export const ApprovalAssigned = defineEvent({
  ...approvals,
  name: 'ApprovalAssigned',
  summary: 'A person says they look at it, until then; a sign to others, not a lock. `until` in the past gives it back.',
  data: object({ ...request, person: name(), until: instant() }),
});

export const ApprovalReminded = defineEvent({
  ...approvals,
  name: 'ApprovalReminded',
  summary: 'The time to answer is running out, or what was put off is due.',
  data: object({ ...request, cause: oneOf('sla', 'deferred') }),
});

export const InformationRequested = defineEvent({
  ...approvals,
  name: 'InformationRequested',
  summary: 'A person asks the agent side something before deciding.',
  data: object({ ...request, person: name(), question_id: uuid() }),
  sealed: object({ question: text(4_000) }),
});

export const InformationGiven = defineEvent({
  ...approvals,
  name: 'InformationGiven',
  summary: 'The agent side answered; the answer stands in the card, as its words.',
  data: object({ ...request, ...who, question_id: uuid(), ...view }),
  sealed: object({ answer: text(8_000), card: text(524_288), context: cardContextText }),
});

export const ApprovalAnnotated = defineEvent({
  ...approvals,
  name: 'ApprovalAnnotated',
  summary: 'Somebody, or a model, remarked on the request; the remark stands in the card with its source and is never a vote.',
  data: object({ ...request, ...who, source: name(), score: optional(fraction()), ...view }),
  sealed: object({ text: text(4_000), card: text(524_288), context: cardContextText }),
});

export const GlassBroken = defineEvent({
  ...approvals,
  name: 'GlassBroken',
  summary: 'A person with the role approved alone, outside the quorum, because it could not wait; somebody else must review it.',
  data: object({ ...request, person: name(), role: name(), votes_missing: count(400), view_hash: hash(), expires_at: instant() }),
  sealed: object({ reason: text(4_000) }),
});

export const EmergencyReviewed = defineEvent({
  ...approvals,
  name: 'EmergencyReviewed',
  summary: 'Another person judged afterwards whether breaking glass was right.',
  data: object({ ...request, person: name(), judgement: oneOf('justified', 'not_justified') }),
  sealed: object({ words: text(4_000) }),
});

export const CheckpointStored = defineEvent({
  ...approvals,
  name: 'CheckpointStored',
  summary: 'The agent parked its run beside the request; only the hash and size of the encrypted bytes are told.',
  data: object({ ...request, agent: name(), run_id: name(), checkpoint_hash: hash(), size_bytes: count(1_048_576) }),
});

const voting = { context: 'approvals', owner: 'approvals', aggregate: 'voting-delegation', version: 1, authority: true } as const;

export const VotingDelegated = defineEvent({
  ...voting,
  name: 'VotingDelegated',
  summary: 'A person lends one role to another until a day; what is lent cannot be lent on.',
  data: object({ delegation_id: uuid(), from: name(), to: name(), role: name(), starts_at: instant(), ends_at: instant() }),
});

export const VotingDelegationEnded = defineEvent({
  ...voting,
  name: 'VotingDelegationEnded',
  summary: 'The loan of a role is over before its day.',
  data: object({ delegation_id: uuid(), person: name() }),
});

export const RejectionReasonsSet = defineEvent({
  context: 'approvals',
  owner: 'approvals',
  aggregate: 'rejection-reasons',
  version: 1,
  name: 'RejectionReasonsSet',
  summary: 'From here the tenant rejects with one of these reason codes.',
  data: object({ codes: list(name(), 50) }),
});

const reviews = { context: 'approvals', owner: 'approvals', aggregate: 'review', version: 1 } as const;

export const ReviewOpened = defineEvent({
  ...reviews,
  name: 'ReviewOpened',
  summary: 'An action that policy allowed stands in the queue for review after the fact.',
  data: object({ action_id: uuid(), tier: oneOf('AUTO', 'LOG'), rule_id: text(200), reason: text(1_000), action_class: optional(name()), facts: policyFacts, arguments_hash: hash(), agent_owner: optional(name()), act_chain: optional(list(text(300), 6)) }),
  sealed: sealedProposal,
});

export const ActionReviewed = defineEvent({
  ...reviews,
  name: 'ActionReviewed',
  summary: 'A person judged an allowed action after the fact.',
  data: object({ action_id: uuid(), person: name(), judgement: oneOf('right', 'wrong') }),
  sealed: object({ words: text(4_000) }),
});
