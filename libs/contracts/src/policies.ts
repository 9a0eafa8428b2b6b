import { defineEvent } from './event.js';
import { count, hash, instant, jws, list, name, object, oneOf, optional, scopePath, text, uuid } from './schema.js';

const policies = { context: 'policies', owner: 'policy', version: 1, authority: true } as const;

/** JOSE type of a policy bundle: a compact JWS (EdDSA, policy's key) over `{ tenant, policy_version, policy_hash }`. */
export const POLICY_BUNDLE_TYPE = 'exequatur-policy+jws';

/** The longest policy file, in characters. */
export const MAX_POLICY_SOURCE = 262_144;

/** The longest canonical text of a composed policy, in characters. */
export const MAX_CANONICAL_POLICY = 524_288;

/** How far an agent is left to itself with a kind of action, from least to most. None loosens what policy asks for. */
export const AUTONOMY_LEVELS = ['observe_only', 'gate_all', 'log', 'auto'] as const;
export type AutonomyLevel = (typeof AUTONOMY_LEVELS)[number];

/** What a version was made of and by whom, beside the tenant's own source. */
const provenance = {
  /** layers that `canonical` is composed of: the organisation's, and overlays by name */
  layers: optional(list(object({ layer: text(140), layer_version: count(), layer_hash: hash(), scope: optional(scopePath()) }), 100)),
  /** the draft it was published from, and who wrote that; the actor of the event is who published it */
  draft_id: optional(uuid()),
  drafted_by: optional(text(200)),
  /** signature of the bundle; absent in events from before bundles, which only their origin vouches for */
  bundle: optional(jws()),
};

export const PolicyPublished = defineEvent({
  ...policies,
  name: 'PolicyPublished',
  aggregate: 'policy',
  summary: 'A policy version is published; PolicyInForce says from when reservations acts on nothing older.',
  data: object({
    policy_hash: hash(),
    policy_version: count(),
    /** the YAML text as its author wrote it */
    source: text(MAX_POLICY_SOURCE),
    /** canonical JSON (RFC 8785) of the parsed policy: what policy_hash is the hash of, and what reservations evaluates */
    canonical: text(MAX_CANONICAL_POLICY),
    /** every kind globs may match in this version, from the policy and from ActionKindClassified */
    registered_kinds: list(name(), 10_000),
    reason: text(1_000),
    ...provenance,
  }),
});

export const PolicyRolledBack = defineEvent({
  ...policies,
  name: 'PolicyRolledBack',
  aggregate: 'policy',
  summary: 'An earlier source is published again, as a new and higher version.',
  data: object({ policy_hash: hash(), policy_version: count(), to_version: count(), source: text(MAX_POLICY_SOURCE), canonical: text(MAX_CANONICAL_POLICY), registered_kinds: list(name(), 10_000), reason: text(1_000), ...provenance }),
});

export const ActionKindClassified = defineEvent({
  ...policies,
  name: 'ActionKindClassified',
  aggregate: 'action-kind',
  summary: 'A person registered a kind, so that globs may match it.',
  data: object({ action_kind: name(), action_class: name() }),
});

export const PolicyDrafted = defineEvent({
  ...policies,
  name: 'PolicyDrafted',
  aggregate: 'policy-draft',
  authority: false,
  summary: 'Somebody stored a policy that may be published; nothing is judged by it.',
  data: object({
    draft_id: uuid(),
    source: text(MAX_POLICY_SOURCE),
    /** of the composed policy as it would have been published then */
    policy_hash: hash(),
    /** the newest version when it was written: publishing it past another is refused */
    base_version: count(),
    reason: text(1_000),
  }),
});

/** Outcomes of one agent and kind in a window, counted by action. */
export const autonomyEvidence = object({ window_ms: count(), since: instant(), decided: count(), approved: count(), rejected: count(), edited: count(), denied_after_approval: count() });

export const AutonomyChanged = defineEvent({
  ...policies,
  name: 'AutonomyChanged',
  aggregate: 'autonomy',
  summary: 'An agent is left more, or less, to itself with a kind of action; the policy version that says so is published with it.',
  data: object({
    agent: name(),
    /** `*`: every kind of the agent that has no level of its own */
    action_kind: text(128),
    level_before: oneOf(...AUTONOMY_LEVELS),
    level: oneOf(...AUTONOMY_LEVELS),
    /** person: somebody decided it; automatic: a rate passed its threshold */
    cause: oneOf('person', 'automatic'),
    reason: text(1_000),
    evidence: optional(autonomyEvidence),
    policy_version: optional(count()),
  }),
});
