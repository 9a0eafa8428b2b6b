import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BudgetMove, Code } from '@exequatur/contracts';
import { isRefusal, toInstant } from '@exequatur/kernel';
import { specFor } from '@exequatur/testing';
import { budgetAfter } from './budget.js';
import type { Budget } from './budget.js';
import { decideReserve } from './decide-reserve.js';
import { DEFAULT_LIMITS } from './limits.js';
import { evolveReservation, initialReservation } from './reservation.js';
import type { LedgerEvent, Reservation, ReservationEvent } from './reservation.js';
import { aBudget, aGrant, aQuestion, aRequest, id, NOW } from './reserve-question.fixture.js';
import { settle } from './settle-reservation.js';
import type { SettleCommand, SettleMetadata } from './settle-reservation.js';

const heldWith = (mode: 'self' | 'managed' = 'self', onSilence: 'unknown' | 'expire' = 'unknown') => {
  const decision = decideReserve(
    aQuestion({
      caller: mode === 'self' ? { type: 'agent', tenant: 'acme', agent: 'mailer-agent' } : { type: 'executor', tenant: 'acme' },
      request: aRequest({ execution_mode: mode, agent: 'mailer-agent' }),
      grant: { claims: aGrant({ execution_mode: mode, on_silence: onSilence }), usesTaken: new Set() },
    }),
  );
  if (!decision.held) throw new Error(decision.code);
  return decision;
};
const held = (mode?: 'self' | 'managed', onSilence?: 'unknown' | 'expire'): ReservationEvent => ({ type: 'ReservationHeld', data: heldWith(mode, onSilence).data });
const budgets = new Map(heldWith().budgets.map((budget) => [budget.budgetId, budget]));
const at = (nowMs: number, frozen = false): SettleMetadata => ({ nowMs, limits: DEFAULT_LIMITS, frozen, budgets });

const start = (metadata = at(NOW), attestedBy: 'agent' | 'executor' = 'agent'): SettleCommand => ({ type: 'StartReservation', data: { attestedBy }, metadata });
const commit = (actual: readonly { unit: string; amount: string }[] = [], metadata = at(NOW), attestedBy: 'agent' | 'executor' | 'person' = 'agent'): SettleCommand => ({ type: 'CommitReservation', data: { attestedBy, actual }, metadata });
const release = (metadata = at(NOW), attestedBy: 'agent' | 'executor' = 'agent'): SettleCommand => ({ type: 'ReleaseReservation', data: { attestedBy, outcome: 'FAILED', reason: 'refused by the tool' }, metadata });
const unknown = (metadata = at(NOW), attestedBy: 'agent' | 'executor' = 'agent'): SettleCommand => ({ type: 'MarkReservationUnknown', data: { attestedBy, reason: 'timed out' }, metadata });
const extend = (byMs: number, metadata = at(NOW)): SettleCommand => ({ type: 'ExtendReservation', data: { byMs, heldAtMs: NOW }, metadata });
const sweep = (nowMs: number): SettleCommand => ({ type: 'SweepReservation', data: {}, metadata: at(nowMs) });

const base = { reservation_id: id(20), grant_id: id(1), action_id: id(2) };
const started = (by: 'agent' | 'executor' = 'agent'): ReservationEvent => ({ type: 'ReservationStarted', data: { reservation_id: id(20), started_at: toInstant(NOW), attested_by: by } });
const move = (budgetId: string, unit: string, cap: string, committed: string): BudgetMove => ({ budget_id: budgetId, unit, amount: committed, entry_no: 3, held: '0', committed, cap });
const moves = (points: string, money: string) => [move(id(10), 'RISK_POINTS', '100', points), move(id(11), 'RISK_POINTS', '60', points), move(id(12), 'USD_MICROCENTS', '1000', money)];
const committed = (points = '20', money = '500', by: 'agent' | 'executor' | 'person' = 'agent', used = money): ReservationEvent => ({
  type: 'ReservationCommitted',
  data: {
    ...base,
    outcome: 'SUCCEEDED',
    attested_by: by,
    moves: moves(points, money),
    actual: [{ unit: 'RISK_POINTS', amount: points }, { unit: 'USD_MICROCENTS', amount: money }],
    ...(used === '500' ? {} : { comparison: { arguments: 'not_reported', amounts: [{ unit: 'USD_MICROCENTS', reserved: '500', actual: used }, ...(used === '501' ? [{ unit: 'TOKENS', reserved: '0', actual: '1' }] : [])] } }),
  },
});
const released = (by: 'agent' | 'executor' = 'agent'): ReservationEvent => ({ type: 'ReservationReleased', data: { ...base, outcome: 'FAILED', attested_by: by, moves: moves('0', '0'), reason: 'refused by the tool' } });
const markedUnknown = (by: 'agent' | 'executor' | 'system' = 'agent', reason = 'timed out'): ReservationEvent => ({ type: 'ReservationMarkedUnknown', data: { ...base, outcome: 'UNKNOWN', attested_by: by, moves: [], reason } });
const expired: ReservationEvent = { type: 'ReservationExpired', data: { ...base, outcome: 'NONE', attested_by: 'system', moves: moves('0', '0') } };

const EXPIRES = NOW + 60_000;
const AFTER_GRACE = EXPIRES + DEFAULT_LIMITS.graceMs;

describe('a reservation', () => {
  const reservation = specFor<Reservation, SettleCommand, ReservationEvent | LedgerEvent, Code>({ decide: settle, evolve: evolveReservation, initialState: initialReservation });

  test('starts, and starting again adds nothing', () => {
    reservation.given(held()).when(start()).then(started());
    reservation.given(held(), started()).when(start()).thenNothing();
  });
  test('invariant 2: an agent does not start after execute_by, nor under a freeze', () => {
    reservation.given(held()).when(start(at(NOW + 10_000))).then({ type: 'ReservationStarted', data: { reservation_id: id(20), started_at: toInstant(NOW + 10_000), attested_by: 'agent' } });
    reservation.given(held()).when(start(at(NOW + 10_001))).thenRefused('EXECUTE_BY_PASSED');
    reservation.given(held()).when(start(at(NOW, true))).thenRefused('FROZEN');
  });
  test('what the executor started is a fact, also when the sweep was faster', () => {
    reservation.given(held('managed'), markedUnknown('system')).when(start(at(NOW), 'executor')).thenNothing();
    reservation.given(held(), committed()).when(start()).thenRefused('RESERVATION_FINALIZED');
  });
  test('commits what was used and returns the rest; units not named were used as reserved', () => {
    reservation.given(held()).when(commit()).then(committed());
    reservation.given(held(), started()).when(commit([{ unit: 'USD_MICROCENTS', amount: '300' }])).then(committed('20', '300'));
    reservation.given(held(), started()).when(commit([{ unit: 'USD_MICROCENTS', amount: '100' }, { unit: 'USD_MICROCENTS', amount: '200' }])).then(committed('20', '300'));
  });
  test('a second end is refused, whatever it is', () => {
    for (const end of [committed(), released(), expired]) {
      for (const command of [commit(), release(), unknown(), extend(1_000)]) reservation.given(held(), end).when(command).thenRefused('RESERVATION_FINALIZED');
      reservation.given(held(), end).when(sweep(AFTER_GRACE)).thenNothing();
    }
  });
  test('invariant 10: nothing beyond the hold is ever committed', () => {
    reservation.given(held()).when(commit([{ unit: 'USD_MICROCENTS', amount: '501' }])).thenRefused('COMMIT_EXCEEDS_RESERVED');
    reservation.given(held()).when(commit([{ unit: 'USD_MICROCENTS', amount: '500' }, { unit: 'USD_MICROCENTS', amount: '1' }])).thenRefused('COMMIT_EXCEEDS_RESERVED');
    reservation.given(held()).when(commit([{ unit: 'TOKENS', amount: '1' }])).thenRefused('COMMIT_EXCEEDS_RESERVED');
    reservation.given(held()).when(commit([{ unit: 'USD_MICROCENTS', amount: '501' }, { unit: 'TOKENS', amount: '1' }], at(NOW), 'executor')).then(committed('20', '500', 'executor', '501'));
  });
  test('is released whole when there was provably no effect', () => {
    reservation.given(held()).when(release()).then(released());
    reservation.given(held(), started()).when(release()).then(released());
  });
  test('invariant 6: unknown keeps its hold; only the executor or a person resolves it', () => {
    reservation.given(held(), started()).when(unknown()).then(markedUnknown());
    reservation.given(held(), markedUnknown()).when(unknown()).thenNothing();
    reservation.given(held(), markedUnknown()).when(commit()).thenRefused('RESERVATION_FINALIZED');
    reservation.given(held(), markedUnknown()).when(release()).thenRefused('RESERVATION_FINALIZED');
    reservation.given(held(), markedUnknown('executor')).when(commit([], at(NOW), 'executor')).then(committed('20', '500', 'executor'));
    reservation.given(held(), markedUnknown('executor')).when(release(at(NOW), 'executor')).then(released('executor'));
    reservation.given(held(), markedUnknown()).when(commit([], at(NOW), 'person')).then(committed('20', '500', 'person'));
  });
  test('a person reconciles what is unknown, and "not executed" only when nothing can be running', () => {
    const notExecuted = (nowMs: number): SettleCommand => ({ type: 'ReleaseReservation', data: { attestedBy: 'person', outcome: 'FAILED', reason: 'refused by the tool' }, metadata: at(nowMs) });
    const over = NOW + 10_000 + DEFAULT_LIMITS.assumedRuntimeMs + DEFAULT_LIMITS.reconcileMarginMs;
    reservation.given(held()).when(notExecuted(over)).thenRefused('CONFLICT');
    reservation.given(held(), markedUnknown()).when(notExecuted(over - 1)).thenRefused('CONFLICT');
    reservation.given(held(), markedUnknown()).when(notExecuted(over)).then({ ...released(), data: { ...released().data, attested_by: 'person' } } as ReservationEvent);
    reservation.given(held(), started()).when(commit([], at(NOW), 'person')).thenRefused('CONFLICT');
  });
  test('an agent may report within the grace, not after it', () => {
    reservation.given(held()).when(commit([], at(AFTER_GRACE - 1))).then(committed());
    reservation.given(held()).when(commit([], at(AFTER_GRACE))).thenRefused('RESERVATION_EXPIRED');
    reservation.given(held()).when(release(at(AFTER_GRACE))).thenRefused('RESERVATION_EXPIRED');
    reservation.given(held('managed')).when(release(at(AFTER_GRACE), 'executor')).then(released('executor'));
  });
  test('extends the hold, never execute_by, never under a freeze, never backwards', () => {
    const extended = (expiresAt: number): ReservationEvent => ({ type: 'ReservationExtended', data: { reservation_id: id(20), expires_at: toInstant(expiresAt) } });
    reservation.given(held()).when(extend(120_000)).then(extended(NOW + 180_000));
    reservation.given(held()).when(extend(86_400_000)).then(extended(NOW + DEFAULT_LIMITS.largestTtlMs));
    reservation.given(held(), extended(NOW + DEFAULT_LIMITS.largestTtlMs)).when(extend(1_000)).thenNothing();
    reservation.given(held(), extended(NOW + DEFAULT_LIMITS.largestAgeMs)).when(extend(1_000, at(NOW + DEFAULT_LIMITS.largestAgeMs - 1))).thenNothing();
    reservation.given(held()).when(extend(0)).thenNothing();
    reservation.given(held()).when(extend(120_000, at(NOW, true))).thenRefused('FROZEN');
    reservation.given(held()).when(extend(120_000, at(EXPIRES))).thenRefused('RESERVATION_EXPIRED');
    reservation.given(held(), markedUnknown()).when(extend(120_000)).thenRefused('RESERVATION_FINALIZED');
  });
  test('silence: self holds after the grace as their class declares, managed ones at their TTL become unknown', () => {
    const silent = markedUnknown('system', 'no outcome within the time');
    reservation.given(held('self', 'expire')).when(sweep(AFTER_GRACE - 1)).thenNothing();
    reservation.given(held('self', 'expire')).when(sweep(AFTER_GRACE)).then(expired);
    reservation.given(held('self', 'expire'), started()).when(sweep(AFTER_GRACE)).then(expired);
    reservation.given(held('self', 'unknown')).when(sweep(AFTER_GRACE)).then(silent);
    reservation.given(held('managed', 'expire')).when(sweep(NOW + 120_000 - 1)).thenNothing();
    reservation.given(held('managed', 'expire')).when(sweep(NOW + 120_000)).then(silent);
    reservation.given(held('self', 'unknown'), silent).when(sweep(AFTER_GRACE * 2)).thenNothing();
  });
  test('nothing is settled that was never held', () => {
    for (const command of [start(), commit(), release(), unknown(), extend(1_000)]) reservation.given().when(command).thenRefused('NOT_FOUND');
  });
});

test('invariants 7, 8: whatever happens, held + committed <= cap, and reserved = committed + released + expired at the ends', () => {
  const step = fc.record({
    kind: fc.constantFrom('reserve', 'start', 'commit', 'release', 'unknown', 'sweep', 'late-commit', 'late-release'),
    target: fc.nat(7),
    amount: fc.bigInt(0n, 40n),
    later: fc.nat(90_000),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.bigInt(0n, 100n), (steps, cap) => {
      let budget: Budget = aBudget({ cap });
      let nowMs = NOW;
      const states = new Map<number, Reservation>();
      const reserved = { total: 0n, committed: 0n, returned: 0n };
      for (const { kind, target, amount, later } of steps) {
        nowMs += later;
        const state = states.get(target) ?? initialReservation();
        if (kind === 'reserve') {
          if (state.status !== 'None') continue;
          const claims = aGrant({ risk_points: Number(amount), amounts: [], expires_at: toInstant(nowMs + 60_000), on_silence: target % 2 === 0 ? 'expire' : 'unknown' });
          const decision = decideReserve(aQuestion({ nowMs, budgets: [budget], reservationId: id(100 + target), grant: { claims, usesTaken: new Set() } }));
          if (!decision.held) {
            expect(decision.code).toBe('BUDGET_EXCEEDED');
            continue;
          }
          budget = decision.budgets[0] ?? budget;
          reserved.total += amount;
          states.set(target, evolveReservation(state, { type: 'ReservationHeld', data: decision.data }));
        } else {
          const metadata: SettleMetadata = { nowMs, limits: DEFAULT_LIMITS, frozen: false, budgets: new Map([[budget.budgetId, budget]]) };
          const actual = [{ unit: 'RISK_POINTS', amount: amount.toString() }];
          const command = {
            start: start(metadata),
            commit: commit(actual, metadata),
            release: release(metadata),
            unknown: unknown(metadata),
            sweep: { type: 'SweepReservation', data: {}, metadata },
            'late-commit': commit(actual, metadata, 'executor'),
            'late-release': release(metadata, 'executor'),
          }[kind] as SettleCommand;
          const outcome = settle(command, state);
          if (isRefusal(outcome)) continue;
          for (const event of outcome) {
            const [moved] = 'moves' in event.data ? event.data.moves : [];
            if (moved !== undefined) {
              const before = budget.held;
              budget = budgetAfter(budget, moved);
              reserved.committed += BigInt(moved.amount);
              reserved.returned += before - budget.held - BigInt(moved.amount);
            }
            states.set(target, evolveReservation(state, event));
          }
        }
        expect(budget.held >= 0n && budget.committed >= 0n && budget.held + budget.committed <= budget.cap).toBe(true);
      }
      const standing = [...states.values()].reduce((sum, state) => sum + (state.status === 'Held' || state.status === 'Started' || state.status === 'Unknown' ? (state.holds[0]?.amount ?? 0n) : 0n), 0n);
      expect(budget.held).toBe(standing);
      expect(reserved.total).toBe(reserved.committed + reserved.returned + standing);
      expect(budget.committed).toBe(reserved.committed);
    }),
    { numRuns: 300 },
  );
});
