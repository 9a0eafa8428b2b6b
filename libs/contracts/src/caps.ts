import { amount, count, list, object, optional, record, text, unit } from './schema.js';
import type { Shape } from './schema.js';

/**
 * Limits on one action. An absent field is no limit; libs/caps is the one place that says what is narrower.
 * Amounts are per unit, integers as decimal text (`USD_MICROCENTS`).
 */
export const capsShape = object({
  max_runtime_sec: optional(count(86_400)),
  /** host, host:port or *.domain */
  network_allowlist: optional(list(text(253))),
  max_amount: optional(record(amount(), 20)),
  /** an address, or *@domain; a reviewer's choice of a person's address goes into granted_arguments instead */
  allowed_recipients: optional(list(text(320))),
  environments: optional(list(text(64))),
  tools: optional(list(text(128))),
  models: optional(list(text(128))),
  row_limit: optional(count()),
  expires_in_ms: optional(count()),
  max_uses: optional(count(10_000)),
  /** across all uses of a grant, by unit, RISK_POINTS among them; what was given back counts */
  max_total: optional(record(amount(), 20)),
  /** limits of the tenant's own, by the name of the fact that each bounds: whole numbers as text */
  own: optional(record(amount(), 20)),
});
export type Caps = Shape<typeof capsShape>;

/** An amount in one unit; the unit of USD is the micro-cent (1 USD = 100,000,000). */
export const unitAmount = object({ unit: unit(), amount: amount() });
export type UnitAmount = Shape<typeof unitAmount>;
