import type { EventDefinition } from '@exequatur/contracts';
import * as contracts from '@exequatur/contracts';
import { pgArray } from '@exequatur/event-store';
import type { NewEvent, PgTransaction, StreamWrite } from '@exequatur/event-store';
import { fromInstant, toInstant } from '@exequatur/kernel';
import type { LedgerEvent, ReservationEvent } from '@exequatur/reservations-domain';
import { sendSeen } from '../circuits/seen-outcomes.js';
import { sendProbes } from '../circuits/standing-circuits.js';
import { sendDelegationUse } from '../delegations/delegation-rows.js';
import { reservationStream } from './authority-command.js';
import { earlierText, madeBudgets, movedBudgets } from './budget-rows.js';
import type { Decided, Locked } from './decide-in-order.js';
import { sendClaimed } from './grant-rows.js';
import { claimText } from './reservation-rows.js';
import { sendRuns } from './run-rows.js';
import { sendVelocity } from './velocity-rows.js';

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

/** Claims, which take their uses: use_claimed_once refuses a use that is taken (invariants 4 and 5). */
const CLAIM = `
INSERT INTO reservation (reservation_id, tenant, version, status, grant_id, use_no, action_id, execution_id, agent, scope_path, action_kind, tool_name, tool_version, execution_mode, fence_epoch, held_at, execute_by, expires_at, claim, charged, note)
SELECT reservation_id, tenant, version, 'Held', grant_id, use_no, action_id, execution_id, agent, scope_path, action_kind, tool_name, tool_version, execution_mode, fence_epoch, $15, execute_by, expires_at, claim, charged::uuid[], note
FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::integer[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::bigint[], $14::timestamptz[], $16::timestamptz[], $17::text[], $18::text[], $19::text[], $20::integer[])
  AS r (reservation_id, tenant, grant_id, use_no, action_id, execution_id, agent, scope_path, action_kind, tool_name, tool_version, execution_mode, fence_epoch, execute_by, expires_at, claim, charged, note, version)`;

/** Nobody looks at the answers of what is sent, so each fails by itself: a reservation is at the version, and expires at the time, it was decided on. */
const MOVE = `
WITH moved AS (
  UPDATE reservation r SET status = m.status, expires_at = m.expires_at, version = r.version + m.events
  FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::integer[], $5::integer[], $7::timestamptz[]) AS m (reservation_id, status, expires_at, events, expected, expired_at)
  WHERE r.reservation_id = m.reservation_id AND r.version = m.expected AND r.expires_at >= m.expired_at AND r.expires_at < m.expired_at + interval '1 millisecond'
  RETURNING 1
) SELECT must(count(*) = $6, 'a reservation moved under its lock') FROM moved`;

/**
 * A budget moves by differences from the entry it was decided on, and covers what it holds (invariant 7). Windows go forward,
 * debt grows within its limit only, and a cap moves here only where no event but a claim's says what it is: on limits of runs.
 */
const CHARGE = `
WITH charged AS (
  UPDATE budget b SET held = b.held + m.held::numeric, committed = b.committed + m.committed::numeric, entry_no = m.entry_no,
    cap = m.cap::numeric, window_start_ms = m.window_start_ms, debt = m.debt::numeric, over_limit = m.over_limit, earlier = m.earlier::jsonb
  FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $7::text[], $8::bigint[], $9::text[], $10::boolean[], $11::text[])
    AS m (budget_id, held, committed, entry_no, expected, cap, window_start_ms, debt, over_limit, earlier)
  WHERE b.budget_id = m.budget_id AND b.entry_no = m.expected AND b.held + m.held::numeric + b.committed + m.committed::numeric <= m.cap::numeric
    AND (b.run_limit IS NOT NULL OR m.cap::numeric = b.cap) AND m.window_start_ms >= b.window_start_ms
    AND (m.debt::numeric <= b.debt OR m.debt::numeric <= coalesce(b.overdraft_limit, 0))
  RETURNING 1
) SELECT must(count(*) = $6, 'a budget moved under its lock, or would not cover what is held') FROM charged`;

/** The limits of runs that began, as their first claims left them. */
const MAKE = `
INSERT INTO budget (budget_id, tenant, scope_path, unit, place, cap, held, committed, entry_no, budget_window, run_limit)
SELECT budget_id, tenant, scope_path, unit, -1, cap::numeric, held::numeric, committed::numeric, entry_no, 'run', run_limit
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::bigint[], $9::text[]) AS m (budget_id, tenant, scope_path, unit, cap, held, committed, entry_no, run_limit)`;

const sendClaims = (tx: PgTransaction, { held }: Decided, nowMs: number): void => {
  if (held.length === 0) return;
  const claims = held.map(({ data }) => data);
  tx.send({
    name: 'authority-claim',
    text: CLAIM,
    values: [
      pgArray.uuid(claims.map(({ reservation_id }) => reservation_id)),
      pgArray.text(held.map(({ tenant }) => tenant)),
      pgArray.uuid(claims.map(({ grant_id }) => grant_id ?? null)),
      pgArray.int4(claims.map(({ use_no }) => use_no ?? null)),
      pgArray.uuid(claims.map(({ action_id }) => action_id ?? null)),
      pgArray.uuid(claims.map(({ execution_id }) => execution_id ?? null)),
      pgArray.text(claims.map(({ agent }) => agent)),
      pgArray.text(claims.map(({ scope_path }) => scope_path)),
      pgArray.text(claims.map(({ action_kind }) => action_kind)),
      pgArray.text(claims.map(({ tool }) => tool.name)),
      pgArray.text(claims.map(({ tool }) => tool.version)),
      pgArray.text(claims.map(({ execution_mode }) => execution_mode)),
      pgArray.int8(claims.map(({ fence_epoch }) => fence_epoch)),
      pgArray.timestamptz(claims.map(({ execute_by }) => fromInstant(execute_by))),
      toInstant(nowMs),
      pgArray.timestamptz(claims.map(({ expires_at }) => fromInstant(expires_at))),
      pgArray.text(claims.map(claimText)),
      pgArray.text(claims.map(({ holds }) => `{${holds.map(({ budget_id }) => budget_id).join()}}`)),
      pgArray.text(held.map(({ note }) => note ?? null)),
      pgArray.int4(held.map(({ events }) => events)),
    ],
  });
};

const sendMoves = (tx: PgTransaction, { reservations }: Locked): void => {
  const moved = [...reservations].filter(([, { events }]) => events.length > 0);
  if (moved.length === 0) return;
  tx.send({
    name: 'authority-move',
    text: MOVE,
    values: [
      pgArray.uuid(moved.map(([id]) => id)),
      pgArray.text(moved.map(([, { state }]) => state.status)),
      pgArray.timestamptz(moved.map(([, { state }]) => ('expiresAt' in state ? state.expiresAt : 0))),
      pgArray.int4(moved.map(([, { events }]) => events.length)),
      pgArray.int4(moved.map(([, { version }]) => version)),
      moved.length,
      pgArray.timestamptz(moved.map(([, { expiredAtMs }]) => expiredAtMs)),
    ],
  });
};

/** Last of the rows, since these are the hot ones. */
const sendCharges = (tx: PgTransaction, { budgets }: Locked): void => {
  const moved = movedBudgets(budgets);
  if (moved.length === 0) return;
  tx.send({
    name: 'authority-charge',
    text: CHARGE,
    values: [
      pgArray.uuid(moved.map(({ now }) => now.budgetId)),
      pgArray.text(moved.map(({ now, old }) => (now.held - old.held).toString())),
      pgArray.text(moved.map(({ now, old }) => (now.committed - old.committed).toString())),
      pgArray.int8(moved.map(({ now }) => now.entryNo)),
      pgArray.int8(moved.map(({ old }) => old.entryNo)),
      moved.length,
      pgArray.text(moved.map(({ now }) => now.cap.toString())),
      pgArray.int8(moved.map(({ now }) => now.windowStartMs ?? 0)),
      pgArray.text(moved.map(({ now }) => (now.debt ?? 0n).toString())),
      moved.map(({ now }) => now.overLimit === true),
      pgArray.text(moved.map(({ now }) => earlierText(now.earlier))),
    ],
  });
};

const sendMade = (tx: PgTransaction, { budgets }: Locked): void => {
  const made = madeBudgets(budgets);
  if (made.length === 0) return;
  tx.send({
    name: 'authority-make-run-budgets',
    text: MAKE,
    values: [
      pgArray.uuid(made.map(({ budget }) => budget.budgetId)),
      pgArray.text(made.map(({ tenant }) => tenant)),
      pgArray.text(made.map(({ budget }) => budget.scopePath)),
      pgArray.text(made.map(({ budget }) => budget.unit)),
      pgArray.text(made.map(({ budget }) => budget.cap.toString())),
      pgArray.text(made.map(({ budget }) => budget.held.toString())),
      pgArray.text(made.map(({ budget }) => budget.committed.toString())),
      pgArray.int8(made.map(({ budget }) => budget.entryNo)),
      pgArray.text(made.map(({ budget }) => budget.runLimit ?? null)),
    ],
  });
};

/** Sends the rows; gives the events for `PgEventStore.send`: one write a stream, in the order of deciding. */
export const writeDecided = (tx: PgTransaction, decided: Decided, locked: Locked): readonly StreamWrite[] => {
  sendClaims(tx, decided, locked.nowMs);
  sendMoves(tx, locked);
  sendClaimed(tx, locked.grants);
  sendRuns(tx, locked.runs);
  sendVelocity(tx, locked.velocity, locked.nowMs);
  sendMade(tx, locked);
  sendDelegationUse(tx, locked.delegations);
  sendCharges(tx, locked);
  sendProbes(tx, decided.probes);
  sendSeen(tx, decided.seen);
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
