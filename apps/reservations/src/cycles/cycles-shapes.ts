import { anything, list, name, object, oneOf, optional, record, text } from '@exequatur/contracts';
import type { Schema, Shape } from '@exequatur/contracts';

/**
 * Bodies and queries of the Cycles protocol, v0.1.26, as far as this service takes them (docs/reference/cycles.md says what is
 * narrower). The published OpenAPI is the judge of what we answer; it is in the specs only.
 */
const whole = (minimum: number, maximum: number = Number.MAX_SAFE_INTEGER): Schema<number> => ({ json: { type: 'integer', minimum, maximum } });
const truth = (): Schema<boolean> => ({ json: { type: 'boolean' } });
/** Subject fields with delimiters have no canonical scope path; the protocol lets servers refuse them. */
const scopeName = (): Schema<string> => ({ json: { type: 'string', pattern: '^[A-Za-z0-9._-]{1,128}$' } });

const idempotency_key: Schema<string> = { json: { type: 'string', minLength: 1, maxLength: 256 } };
/** Free form and of no meaning here; kept with the reservation, never in an event. */
const metadata = optional(record(anything(), 100));

export const UNITS = ['USD_MICROCENTS', 'TOKENS', 'CREDITS', 'RISK_POINTS'] as const;
export type CyclesUnit = (typeof UNITS)[number];
export const amountShape = object({ unit: oneOf(...UNITS), amount: whole(0) });
export type CyclesAmount = Shape<typeof amountShape>;

/** From the widest to the narrowest: the order of segments in a scope path. */
export const LEVELS = ['tenant', 'workspace', 'app', 'workflow', 'agent', 'toolset'] as const;

const levels = { tenant: optional(scopeName()), workspace: optional(scopeName()), app: optional(scopeName()), workflow: optional(scopeName()), agent: optional(scopeName()), toolset: optional(scopeName()) };
export const subjectShape = object({ ...levels, dimensions: optional(record(text(256), 16)) });
export type Subject = Shape<typeof subjectShape>;

export const actionShape = object({ kind: { json: { ...name().json, maxLength: 64 } } as Schema<string>, name: text(256), tags: optional(list(text(64), 10)) });
export type CyclesAction = Shape<typeof actionShape>;

const CYCLES_OVERAGE = ['REJECT', 'ALLOW_IF_AVAILABLE', 'ALLOW_WITH_OVERDRAFT'] as const;
const overage_policy = optional(oneOf(...CYCLES_OVERAGE));
export type CyclesOverage = (typeof CYCLES_OVERAGE)[number];

const metrics = optional(
  object({ tokens_input: optional(whole(0)), tokens_output: optional(whole(0)), latency_ms: optional(whole(0)), model_version: optional(text(128)), custom: optional(record(anything(), 100)) }),
);

export const decideShape = object({ idempotency_key, subject: subjectShape, action: actionShape, estimate: amountShape, metadata });
export type DecideBody = Shape<typeof decideShape>;

export const createShape = object({
  idempotency_key,
  subject: subjectShape,
  action: actionShape,
  estimate: amountShape,
  ttl_ms: optional(whole(1_000, 86_400_000)),
  grace_period_ms: optional(whole(0, 60_000)),
  overage_policy,
  dry_run: optional(truth()),
  metadata,
});
export type CreateBody = Shape<typeof createShape>;

export const commitShape = object({ idempotency_key, actual: amountShape, metrics, metadata });
export type CommitBody = Shape<typeof commitShape>;

export const releaseShape = object({ idempotency_key, reason: optional(text(256)) });
export type ReleaseBody = Shape<typeof releaseShape>;

export const extendShape = object({ idempotency_key, extend_by_ms: whole(1, 86_400_000), metadata });
export type ExtendBody = Shape<typeof extendShape>;

export const eventShape = object({ idempotency_key, subject: subjectShape, action: actionShape, actual: amountShape, overage_policy, metrics, client_time_ms: optional(whole(0)), metadata });
export type EventBody = Shape<typeof eventShape>;

const paging = { limit: optional(whole(1, 200)), cursor: optional(text(500)) };
export const balancesQuery = object({ ...levels, include_children: optional(truth()), ...paging });
export type BalancesQuery = Shape<typeof balancesQuery>;

export const CYCLES_STATUSES = ['ACTIVE', 'COMMITTED', 'RELEASED', 'EXPIRED'] as const;
export type CyclesStatus = (typeof CYCLES_STATUSES)[number];
/** RFC 3339, or blank, which counts as not said. */
const bound = optional(text(40));
export const listQuery = object({
  ...levels,
  idempotency_key: optional(idempotency_key),
  status: optional(oneOf(...CYCLES_STATUSES)),
  from: bound,
  to: bound,
  expires_from: bound,
  expires_to: bound,
  finalized_from: bound,
  finalized_to: bound,
  sort_by: optional(oneOf('reservation_id', 'tenant', 'scope_path', 'status', 'reserved', 'created_at_ms', 'expires_at_ms')),
  sort_dir: optional(oneOf('asc', 'desc')),
  include: optional(text(200)),
  ...paging,
});
export type ListQuery = Shape<typeof listQuery>;
