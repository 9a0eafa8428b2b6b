import { defineEvent } from './event.js';
import { count, hash, list, name, object, text } from './schema.js';

const policies = { context: 'policies', owner: 'policy', version: 1, authority: true } as const;

export const PolicyPublished = defineEvent({
  ...policies,
  name: 'PolicyPublished',
  aggregate: 'policy',
  summary: 'A policy version is published; PolicyInForce says from when reservations acts on nothing older.',
  data: object({
    policy_hash: hash(),
    policy_version: count(),
    /** the YAML text as its author wrote it */
    source: text(262_144),
    /** canonical JSON (RFC 8785) of the parsed policy: what policy_hash is the hash of, and what reservations evaluates */
    canonical: text(262_144),
    /** every kind globs may match in this version, from the policy and from ActionKindClassified */
    registered_kinds: list(name(), 10_000),
    reason: text(1_000),
  }),
});

export const PolicyRolledBack = defineEvent({
  ...policies,
  name: 'PolicyRolledBack',
  aggregate: 'policy',
  summary: 'An earlier source is published again, as a new and higher version.',
  data: object({ policy_hash: hash(), policy_version: count(), to_version: count(), source: text(262_144), canonical: text(262_144), registered_kinds: list(name(), 10_000), reason: text(1_000) }),
});

export const ActionKindClassified = defineEvent({
  ...policies,
  name: 'ActionKindClassified',
  aggregate: 'action-kind',
  summary: 'A person registered a kind, so that globs may match it.',
  data: object({ action_kind: name(), action_class: name() }),
});
