import { unitAmount } from '../caps.js';
import { defineEvent } from '../event.js';
import { EXECUTION_MODES, policyFacts, tool } from '../facts.js';
import { anything, base64url, count, fraction, hash, list, name, object, oneOf, optional, scopePath, text, truth, uuid } from '../schema.js';
import type { Shape } from '../schema.js';

export const evidenceReference = object({ title: text(200), url: text(2_000) });

/** A way to undo the action, or the reason there is none. */
export const reversal = object({ handle: optional(text(300)), reason: optional(text(1_000)) });

/**
 * Body of `POST /v1/actions`, and of a signed message on the intake topic. `arguments` is any JSON value inside the limits
 * of contracts.md "Canonical form"; its shape belongs to the tool, so it is taken from the strict parse, not from here.
 */
export const proposalShape = object({
  scope_path: scopePath(),
  run_id: name(),
  thread_id: optional(name()),
  action_kind: name(),
  tool,
  target: optional(text(1_000)),
  arguments: anything(),
  environment: optional(name()),
  risk_tags: optional(list(name(), 50)),
  risk_points: optional(count(1_000_000)),
  estimates: optional(list(unitAmount, 20)),
  business_impact: optional(text(4_000)),
  evidence: optional(list(evidenceReference, 50)),
  reversal: optional(reversal),
  confidence: optional(fraction()),
  reasoning: optional(text(20_000)),
  execution_mode: oneOf(...EXECUTION_MODES),
  /** managed: the delegation of a run that the agent works under; every claim is charged to it and to all above it */
  delegation_id: optional(uuid()),
});
export type Proposal = Shape<typeof proposalShape>;

/** What an action's sealed parts hold: everything that may be personal, with the salt of its hashes. */
export const sealedProposal = object({
  /** 16 random bytes; destroying it (with the data key) makes the salted hashes unlinkable */
  salt: base64url(32),
  /** canonical JSON (RFC 8785) of the arguments: the bytes that are hashed, and for managed execution the bytes that are sent */
  arguments: text(262_144),
  target: optional(text(1_000)),
  reasoning: optional(text(20_000)),
  business_impact: optional(text(4_000)),
  evidence: optional(list(evidenceReference, 50)),
  reversal: optional(reversal),
});
export type SealedProposal = Shape<typeof sealedProposal>;

export const ActionProposed = defineEvent({
  name: 'ActionProposed',
  version: 1,
  context: 'actions',
  owner: 'policy',
  aggregate: 'action',
  summary: 'An agent asked to do something; nothing is decided yet.',
  data: object({
    action_id: uuid(),
    thread_id: optional(name()),
    facts: policyFacts,
    /** what the agent claimed where the server derived something else, for the record */
    claimed: object({
      risk_points: optional(count(1_000_000)),
      estimates: optional(list(unitAmount, 20)),
      environment: optional(name()),
      risk_tags: optional(list(name(), 50)),
      /** it named a target itself; which one is sealed */
      target: optional(truth()),
    }),
    /** SHA-256(salt ‖ canonical arguments) */
    arguments_hash: hash(),
    target_hash: optional(hash()),
    /** hash of the canonical {tenant, scope_path, agent, run_id, action_kind, tool, target_hash, arguments_hash} */
    action_hash: hash(),
    door: oneOf('http', 'intake'),
    /** the quarantined action that a person had decided anew, as this one */
    follows: optional(uuid()),
    /** the person whose edit of the followed action this is; they ask for it as much as the agent does */
    edited_by: optional(name()),
    /** owner of record of the agent: may never approve */
    agent_owner: optional(name()),
    /** For whom the agent acts by its token, issuer#sub each, nearest first: whoever signs in with one may never approve. */
    act_chain: optional(list(text(300), 6)),
  }),
  sealed: sealedProposal,
});

export const ActionWithdrawn = defineEvent({
  name: 'ActionWithdrawn',
  version: 1,
  context: 'actions',
  owner: 'policy',
  aggregate: 'action',
  authority: true,
  summary: 'The agent side took its proposal back; every grant of the action ends.',
  data: object({ action_id: uuid(), reason: text(1_000) }),
});
