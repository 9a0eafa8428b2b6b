import type { UnitAmount } from '@exequatur/contracts';
import { affectedScopes } from './budget-hold-of.js';
import type { KeptAsk } from './budget-hold-of.js';
import type { CyclesStatus } from './cycles-shapes.js';

/**
 * Status in the protocol's words. What nobody settled in time and no sweep has come by yet is expired all the same: nothing can
 * be committed on it any more.
 */
export const STATUS_SQL = `CASE r.status WHEN 'Committed' THEN 'COMMITTED' WHEN 'Released' THEN 'RELEASED' WHEN 'Expired' THEN 'EXPIRED' ELSE
  CASE WHEN r.status <> 'Unknown' AND r.expires_at + make_interval(secs => (r.claim::jsonb ->> 'grace_ms')::numeric::double precision / 1000) <= clock_timestamp() THEN 'EXPIRED' ELSE 'ACTIVE' END END`;

export const CYCLES_COLUMNS = `r.reservation_id, r.scope_path, r.held_at, r.expires_at, r.claim, r.note, ${STATUS_SQL} AS cycles_status`;

export interface CyclesRow {
  readonly reservation_id: string;
  readonly scope_path: string;
  readonly held_at: Date;
  readonly expires_at: Date;
  readonly claim: string;
  readonly note: string;
  readonly cycles_status: CyclesStatus;
}

export interface EndOfReservation {
  readonly atMs: number;
  readonly charged: readonly UnitAmount[];
}

/** `ReservationDetail` and `ReservationSummary`, which have the same fields here. */
export const shownInCycles = (row: CyclesRow, end: EndOfReservation | undefined, withMetadata: boolean) => {
  const { key, subject, action, reserved, metadata } = JSON.parse(row.note) as KeptAsk;
  const charged = end?.charged.find(({ unit }) => unit === reserved.unit);
  return {
    reservation_id: row.reservation_id,
    status: row.cycles_status,
    idempotency_key: key,
    subject,
    action,
    reserved,
    // A committed row's event names what was charged; a double holds it, since what is held came in as one.
    ...(row.cycles_status === 'COMMITTED' && end !== undefined ? { committed: { unit: reserved.unit, amount: Number(charged?.amount ?? 0) } } : {}),
    created_at_ms: row.held_at.getTime(),
    expires_at_ms: row.expires_at.getTime(),
    ...(end === undefined ? {} : { finalized_at_ms: end.atMs }),
    scope_path: row.scope_path,
    affected_scopes: affectedScopes(row.scope_path),
    ...(withMetadata && metadata !== undefined ? { metadata } : {}),
  };
};

