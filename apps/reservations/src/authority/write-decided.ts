import type { EventDefinition } from '@exequatur/contracts';
import * as contracts from '@exequatur/contracts';
import type { NewEvent, PgTransaction, StreamWrite } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import type { LedgerEvent, ReservationEvent } from '@exequatur/reservations-domain';
import { reservationStream } from './authority-command.js';
import { movedBudgets } from './budget-rows.js';
import type { Decided, Locked } from './decide-in-order.js';
import { claimText } from './reservation-rows.js';

const DEFINITIONS: Readonly<Record<(ReservationEvent | LedgerEvent)['type'], EventDefinition>> = {
  ReservationHeld: contracts.ReservationHeld,
  ReservationRefused: contracts.ReservationRefused,
  ReservationStarted: contracts.ReservationStarted,
  ReservationExtended: contracts.ReservationExtended,
  ReservationCommitted: contracts.ReservationCommitted,
  ReservationReleased: contracts.ReservationReleased,
  ReservationExpired: contracts.ReservationExpired,
  ReservationMarkedUnknown: contracts.ReservationMarkedUnknown,
  OverageAuthorised: contracts.OverageAuthorised,
  BudgetSoftLimitReached: contracts.BudgetSoftLimitReached,
};

/**
 * All rows of a batch in one statement: claims, which take their uses, reservations moved, budgets moved.
 * Nobody looks at its answer, so it fails by itself (invariants 4, 5 and 7 on rows): a use is taken once; a reservation is at
 * the version it was decided on; a budget moves by differences from the entry it was decided on, and covers what it holds.
 */
const WRITE = `
WITH claimed AS (
  INSERT INTO reservation (reservation_id, tenant, version, status, grant_id, use_no, action_id, execution_id, agent, scope_path, action_kind, tool_name, tool_version, execution_mode, fence_epoch, held_at, execute_by, expires_at, claim, charged, note)
  SELECT reservation_id, tenant, 1, 'Held', grant_id, use_no, action_id, execution_id, agent, scope_path, action_kind, tool_name, tool_version, execution_mode, fence_epoch, $15, execute_by, expires_at, claim, charged::uuid[], note
  FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::timestamptz[], $16::timestamptz[], $17::text[], $18::text[], $19::text[])
    AS r (reservation_id, tenant, grant_id, use_no, action_id, execution_id, agent, scope_path, action_kind, tool_name, tool_version, execution_mode, fence_epoch, execute_by, expires_at, claim, charged, note)
), settled AS (
  UPDATE reservation r SET status = m.status, expires_at = m.expires_at, version = r.version + m.events
  FROM unnest($20::uuid[], $21::text[], $22::timestamptz[], $23::integer[], $24::integer[]) AS m (reservation_id, status, expires_at, events, expected)
  WHERE r.reservation_id = m.reservation_id AND r.version = m.expected
  RETURNING 1
), charged AS (
  UPDATE budget b SET held = b.held + m.held, committed = b.committed + m.committed, entry_no = m.entry_no
  FROM unnest($25::uuid[], $26::numeric[], $27::numeric[], $28::bigint[], $29::bigint[]) AS m (budget_id, held, committed, entry_no, expected)
  WHERE b.budget_id = m.budget_id AND b.entry_no = m.expected AND b.held + m.held + b.committed + m.committed <= b.cap
  RETURNING 1
)
SELECT must((SELECT count(*) FROM settled) = $30, 'a reservation moved under its lock'),
       must((SELECT count(*) FROM charged) = $31, 'a budget moved under its lock, or would not cover what is held')`;

const claimColumns = ({ held }: Decided, nowMs: number): unknown[] => {
  const claims = held.map(({ data }) => data);
  return [
    claims.map(({ reservation_id }) => reservation_id),
    held.map(({ tenant }) => tenant),
    claims.map(({ grant_id }) => grant_id),
    claims.map(({ use_no }) => use_no),
    claims.map(({ action_id }) => action_id),
    claims.map(({ execution_id }) => execution_id),
    claims.map(({ agent }) => agent),
    claims.map(({ scope_path }) => scope_path),
    claims.map(({ action_kind }) => action_kind),
    claims.map(({ tool }) => tool.name),
    claims.map(({ tool }) => tool.version),
    claims.map(({ execution_mode }) => execution_mode),
    claims.map(({ fence_epoch }) => fence_epoch),
    claims.map(({ execute_by }) => execute_by),
    toInstant(nowMs),
    claims.map(({ expires_at }) => expires_at),
    claims.map(claimText),
    claims.map(({ holds }) => `{${holds.map(({ budget_id }) => budget_id).join()}}`),
    held.map(({ note }) => note),
  ];
};

/** Sends the rows; gives the events for `PgEventStore.send`: one write a stream, in the order of deciding. */
export const writeDecided = (tx: PgTransaction, decided: Decided, locked: Locked): readonly StreamWrite[] => {
  const moved = [...locked.reservations].filter(([, { events }]) => events.length > 0);
  const budgets = movedBudgets(locked.budgets);
  if (decided.held.length + moved.length > 0) {
    tx.send({
      name: 'authority-write',
      text: WRITE,
      values: [
        ...claimColumns(decided, locked.nowMs),
        moved.map(([id]) => id),
        moved.map(([, { state }]) => state.status),
        moved.map(([, { state }]) => toInstant('expiresAt' in state ? state.expiresAt : 0)),
        moved.map(([, { events }]) => events.length),
        moved.map(([, { version }]) => version),
        budgets.map(({ now }) => now.budgetId),
        budgets.map(({ now, old }) => (now.held - old.held).toString()),
        budgets.map(({ now, old }) => (now.committed - old.committed).toString()),
        budgets.map(({ now }) => now.entryNo),
        budgets.map(({ old }) => old.entryNo),
        moved.length,
        budgets.length,
      ],
    });
  }
  return streamWrites(decided, locked);
};

const streamWrites = ({ written }: Decided, { reservations, nowMs }: Locked): readonly StreamWrite[] => {
  const byReservation = new Map<string, { readonly tenant: string; readonly events: NewEvent[] }>();
  for (const { command, events, correlationId } of written) {
    const write = byReservation.get(command.reservationId) ?? { tenant: command.tenant, events: [] };
    for (const { type, data } of events) {
      write.events.push({
        definition: DEFINITIONS[type],
        data,
        actor: command.actor,
        time: toInstant(nowMs),
        ...(correlationId === undefined || correlationId === '' ? {} : { correlationId }),
        ...(command.causationId === undefined ? {} : { causationId: command.causationId }),
        ...(command.traceparent === undefined ? {} : { traceparent: command.traceparent }),
      });
    }
    byReservation.set(command.reservationId, write);
  }
  return [...byReservation].map(([id, { tenant, events }]) => ({ stream: reservationStream(tenant, id), expectedVersion: reservations.get(id)?.version ?? 0, events }));
};
