import { describe, expect, test } from '@jest/globals';
import type { Grant } from '@exequatur/contracts';
import { DEFAULT_LIMITS } from '@exequatur/reservations-domain';
import type { Budget, Reservation } from '@exequatur/reservations-domain';
import { noBudgets } from './budget-rows.js';
import type { Locked } from './decide-in-order.js';
import { DatabaseClock, MAX_BEHIND_MS } from './database-clock.js';
import { sameUntil } from './foresight.js';
import { expectedGrant } from './grant-rows.js';
import { noLimits } from './limit-rows.js';
import type { LockedReservation } from './reservation-rows.js';

const HOUR_MS = 3_600_000;
/** Half an hour past a full hour. */
const NOW = 500_000 * HOUR_MS + HOUR_MS / 2;

const lockedAt = (nowMs: number): Locked => ({ boards: new Map(), circuits: new Map(), grants: new Map(), delegations: new Map(), reservations: new Map(), budgets: noBudgets(), ...noLimits(), nowMs, limits: DEFAULT_LIMITS });
const claim = (times: { readonly executeBy: number; readonly expiresAt: number; readonly graceMs?: number }): LockedReservation =>
  ({ state: { status: 'Held', holds: [], executionMode: 'self', onSilence: 'unknown', grantedArgumentsHash: '', reservationId: 'r', ...times } satisfies Reservation }) as unknown as LockedReservation;

describe('until when a decision made ahead would be the same', () => {
  test('250 ms where nothing runs out', () => {
    expect(sameUntil(lockedAt(NOW))).toBe(NOW + MAX_BEHIND_MS);
  });

  test.each([
    ['execute_by', { executeBy: NOW + 40, expiresAt: NOW + 60_000 }],
    ['expires_at', { executeBy: NOW - 1, expiresAt: NOW + 40 }],
    ['the end of the grace', { executeBy: NOW - 9, expiresAt: NOW - 10, graceMs: 50 }],
  ])('invariant 2: of a claim, %s', (_, times) => {
    const locked = lockedAt(NOW);
    locked.reservations.set('r', claim(times));
    expect(sameUntil(locked)).toBe(NOW + 40);
  });

  test.each([
    ['not_before', { not_before: new Date(NOW + 40).toISOString(), expires_at: new Date(NOW + HOUR_MS).toISOString() }],
    ['expires_at', { not_before: new Date(NOW - HOUR_MS).toISOString(), expires_at: new Date(NOW + 40).toISOString() }],
  ])('invariants 2, 14: of a grant, %s', (_, times) => {
    expect(sameUntil({ ...lockedAt(NOW), grants: new Map([['g', expectedGrant(times as Grant)]]) })).toBe(NOW + 40);
  });

  test('invariant 7: of a budget, the end of its window', () => {
    const atTheEnd = NOW + HOUR_MS / 2 - 40;
    const locked = lockedAt(atTheEnd);
    locked.budgets.before.set('b', { window: 'hour' } as Budget);
    locked.budgets.before.set('c', {} as Budget);
    expect(sameUntil(locked)).toBe(atTheEnd + 40);
  });
});

describe('the clock of the database, guessed', () => {
  test('nothing before a reading; then never ahead of the best one', () => {
    const clock = new DatabaseClock();
    expect(clock.guess()).toBeUndefined();
    clock.read(1_000_000);
    clock.read(900_000);
    const guess = clock.guess() ?? 0;
    expect(guess).toBeGreaterThanOrEqual(1_000_000);
    expect(guess).toBeLessThan(1_060_000);
    clock.forget();
    expect(clock.guess()).toBeUndefined();
  });
});
