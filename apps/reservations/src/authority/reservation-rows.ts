import type { DataOf, ReservationHeld } from '@exequatur/contracts';
import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { claimOf } from '@exequatur/reservations-domain';
import type { FreezeSubject, LedgerEvent, Reservation, ReservationEvent, ReservationStatus } from '@exequatur/reservations-domain';

export interface ReservationRef {
  readonly tenant: string;
  readonly reservationId: string;
}

/** A reservation as locked, and what this transaction has decided about it so far. */
export interface LockedReservation {
  readonly tenant: string;
  readonly agent: string;
  readonly mode: 'managed' | 'self';
  readonly subject: FreezeSubject;
  readonly heldAtMs: number;
  readonly actionId: string;
  /** of a half-open circuit: how it ends says whether the agent may go on */
  readonly isProbe: boolean;
  /** Version of its stream when it was locked. */
  readonly version: number;
  /** as it was then, Unix ms */
  readonly expiredAtMs: number;
  state: Reservation;
  readonly events: (ReservationEvent | LedgerEvent)[];
}

interface Row {
  reservation_id: string;
  tenant: string;
  version: number;
  status: ReservationStatus;
  held_at: Date;
  expires_at: Date;
  claim: string;
}

const LOCK = `
SELECT r.reservation_id, r.tenant, r.version, r.status, r.held_at, r.expires_at, r.claim FROM unnest($1::text[], $2::uuid[]) AS wanted (tenant, reservation_id)
CROSS JOIN LATERAL (SELECT * FROM reservation WHERE reservation_id = wanted.reservation_id AND tenant = wanted.tenant FOR UPDATE) AS r`;

export const claimText = (data: DataOf<typeof ReservationHeld>): string => JSON.stringify(data);

export const subjectOf = (tenant: string, data: DataOf<typeof ReservationHeld>): FreezeSubject => ({ tenant, agent: data.agent, actionKind: data.action_kind, tool: data.tool, grantId: data.grant_id, scopePath: data.scope_path, runId: data.run_id, ...(data.delegated_by === undefined ? {} : { delegatedBy: data.delegated_by }) });

/** A claim as its row has it. */
export const lockedClaim = (tenant: string, held: DataOf<typeof ReservationHeld>, { version, status, heldAtMs, expiresAtMs }: { readonly version: number; readonly status: ReservationStatus; readonly heldAtMs: number; readonly expiresAtMs: number }): LockedReservation => ({
  tenant,
  agent: held.agent,
  mode: held.execution_mode,
  subject: subjectOf(tenant, held),
  heldAtMs,
  actionId: held.action_id ?? '',
  isProbe: held.probe_of !== undefined,
  version,
  expiredAtMs: expiresAtMs,
  state: { status, ...claimOf(held), expiresAt: expiresAtMs },
  events: [],
});

/** By reservation id. An id of another tenant is not there. */
export const lockReservations = async (tx: PgTransaction, refs: readonly ReservationRef[]): Promise<Map<string, LockedReservation>> => {
  if (refs.length === 0) return new Map();
  // Locked in the order given, which is the same for everyone.
  const distinct = [...new Map(refs.map((ref) => [ref.reservationId, ref])).values()].sort((left, right) => (left.reservationId < right.reservationId ? -1 : 1));
  const values = [pgArray.text(distinct.map(({ tenant }) => tenant)), pgArray.uuid(distinct.map(({ reservationId }) => reservationId))];
  const { rows } = await tx.query<Row>({ name: 'authority-lock-reservations', text: LOCK, values });
  return new Map(
    rows.map((row): [string, LockedReservation] => [
      row.reservation_id,
      lockedClaim(row.tenant, JSON.parse(row.claim) as DataOf<typeof ReservationHeld>, { version: row.version, status: row.status, heldAtMs: row.held_at.getTime(), expiresAtMs: row.expires_at.getTime() }),
    ]),
  );
};
