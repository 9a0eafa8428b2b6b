import { capsShape, unitAmount } from '../caps.js';
import { defineEvent } from '../event.js';
import { count, hash, instant, list, name, object, oneOf, optional, scopePath, text, uuid } from '../schema.js';
import type { Shape } from '../schema.js';

/** parent → child → grandchild → great-grandchild */
export const MAX_DELEGATION_DEPTH = 3;

/** What an authority reaches. An absent field is unbounded; libs/caps says which of two is narrower. */
export const authorityShape = object({
  /** this scope path and everything below it */
  scope_path: scopePath(),
  kinds: optional(list(name(), 50)),
  /** `name` (every version) or `name@version` */
  tools: optional(list(text(257), 50)),
  /** salted hashes, as on grants */
  targets: optional(list(hash(), 50)),
  caps: capsShape,
  max_uses: optional(count(10_000)),
  total_points: optional(count()),
  total_amounts: optional(list(unitAmount, 20)),
  expires_at: instant(),
});
export type DelegatedAuthority = Shape<typeof authorityShape>;

const delegations = { context: 'reservations', owner: 'reservations', aggregate: 'delegation', version: 1, authority: true } as const;

export const DelegationGranted = defineEvent({
  ...delegations,
  name: 'DelegationGranted',
  summary: 'An agent hands part of its authority to a child agent: contained in its own on every dimension.',
  data: object({
    delegation_id: uuid(),
    parent: object({ type: oneOf('grant', 'run', 'delegation'), /** grant_id, run_id or delegation_id */ id: text(128) }),
    from_agent: name(),
    to_agent: name(),
    run_id: name(),
    depth: count(MAX_DELEGATION_DEPTH),
    authority: authorityShape,
  }),
});

export const DelegationRevoked = defineEvent({
  ...delegations,
  name: 'DelegationRevoked',
  summary: 'A delegation is taken back; it and every one below it end.',
  data: object({ delegation_id: uuid(), reason: text(1_000) }),
});
