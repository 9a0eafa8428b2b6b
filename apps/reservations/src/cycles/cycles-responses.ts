import { list, object, oneOf, optional, scopePath, text } from '@exequatur/contracts';
import type { Schema } from '@exequatur/contracts';
import { actionShape, amountShape, CYCLES_STATUSES, subjectShape, UNITS } from './cycles-shapes.js';

/** What we answer, for /openapi.json. The protocol's own document is the judge of it, in the specs. */
const ms = (): Schema<number> => ({ json: { type: 'integer', minimum: 0 } });
const scopes = list(scopePath(), 10);
const decision = oneOf('ALLOW', 'DENY');
const reason_code = optional(text(128));
const anyObject: Schema<Readonly<Record<string, unknown>>> = { json: { type: 'object' } };

export const decisionResponse = object({ decision, reason_code, affected_scopes: scopes });
export const createResponse = object({
  decision,
  reason_code,
  reservation_id: optional(text(128)),
  reserved: optional(amountShape),
  expires_at_ms: optional(ms()),
  remaining_ttl_ms: optional(ms()),
  scope_path: optional(scopePath()),
  affected_scopes: scopes,
});
export const commitResponse = object({ status: oneOf('COMMITTED'), charged: amountShape, released: optional(amountShape) });
export const releaseResponse = object({ status: oneOf('RELEASED'), released: amountShape });
export const extendResponse = object({ status: oneOf('ACTIVE'), expires_at_ms: ms(), remaining_ttl_ms: ms() });
export const eventResponse = object({ status: oneOf('APPLIED'), event_id: text(128), charged: amountShape });

const summary = {
  reservation_id: text(128),
  status: oneOf(...CYCLES_STATUSES),
  idempotency_key: text(256),
  subject: subjectShape,
  action: actionShape,
  reserved: amountShape,
  committed: optional(amountShape),
  created_at_ms: ms(),
  expires_at_ms: ms(),
  finalized_at_ms: optional(ms()),
  scope_path: scopePath(),
  affected_scopes: scopes,
  metadata: optional(anyObject),
};
export const reservationResponse = object(summary);
export const reservationsResponse = object({ reservations: list(object(summary), 200), next_cursor: optional(text(500)), has_more: { json: { type: 'boolean' } } as Schema<boolean> });

const signed = object({ unit: oneOf(...UNITS), amount: { json: { type: 'integer' } } as Schema<number> });
const balance = object({
  scope: scopePath(),
  scope_path: scopePath(),
  remaining: signed,
  reserved: amountShape,
  spent: amountShape,
  debt: amountShape,
  allocated: amountShape,
  overdraft_limit: optional(amountShape),
  is_over_limit: { json: { type: 'boolean' } } as Schema<boolean>,
});
export const balancesResponse = object({ balances: list(balance, 200), next_cursor: optional(text(500)), has_more: { json: { type: 'boolean' } } as Schema<boolean> });

/** `ErrorResponse` of the protocol: below /cycles no answer is a problem document. */
const errorShape: Schema<unknown> = {
  json: {
    type: 'object',
    required: ['error', 'message', 'request_id', 'trace_id'],
    properties: { error: { type: 'string' }, message: { type: 'string' }, request_id: { type: 'string' }, trace_id: { type: 'string', pattern: '^[0-9a-f]{32}$' }, details: { type: 'object' } },
    additionalProperties: false,
  },
};
/** By status. */
export const CYCLES_ERRORS: Readonly<Record<number, Schema<unknown>>> = Object.fromEntries([400, 401, 403, 404, 409, 410, 429, 500, 503].map((status) => [status, errorShape]));
