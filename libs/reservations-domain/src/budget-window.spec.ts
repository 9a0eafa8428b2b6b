import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { BudgetMove } from '@exequatur/contracts';
import { toInstant } from '@exequatur/kernel';
import { windowEndOf, windowStartOf } from './budget-window.js';
import { budgetAfter, budgetNow, holdOn, MAX_EARLIER_WINDOWS, moveOf, settleMoveOf, settleOn, uncovered } from './budget.js';
import type { Budget, Hold } from './budget.js';
import { aBudget } from './reserve-question.fixture.js';

const at = (text: string): number => Date.parse(text);

describe('windows begin at UTC boundaries', () => {
  test.each([
    ['hour', '2026-01-31T08:59:59.999Z', '2026-01-31T08:00:00.000Z', '2026-01-31T09:00:00.000Z'],
    ['hour', '2026-01-31T09:00:00.000Z', '2026-01-31T09:00:00.000Z', '2026-01-31T10:00:00.000Z'],
    ['day', '2026-03-29T23:59:59.999Z', '2026-03-29T00:00:00.000Z', '2026-03-30T00:00:00.000Z'],
    ['month', '2024-02-29T12:00:00.000Z', '2024-02-01T00:00:00.000Z', '2024-03-01T00:00:00.000Z'],
    ['month', '2026-12-31T23:59:59.999Z', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z'],
  ] as const)('%s of %s', (window, now, start, end) => {
    expect(toInstant(windowStartOf(window, at(now)))).toBe(start);
    expect(toInstant(windowEndOf(window, at(now)) ?? 0)).toBe(end);
  });
  test('a month starts where the calendar says, in any year', () => {
    fc.assert(
      fc.property(fc.integer({ min: -62_135_596_800_000, max: 253_402_300_799_999 }), (ms) => {
        const day = new Date(ms);
        expect(windowStartOf('month', ms)).toBe(new Date(ms).setUTCHours(0, 0, 0, 0) - (day.getUTCDate() - 1) * 86_400_000);
      }),
      { numRuns: 500, examples: [[0], [-1], [at('1970-01-31T00:00:00Z')]] },
    );
  });
  test('run and lifetime never begin anew', () => {
    for (const window of ['run', 'lifetime', undefined] as const) expect([windowStartOf(window, 1e12), windowEndOf(window, 1e12)]).toEqual([0, undefined]);
  });
});

describe('a budget with a window', () => {
  const DAY1 = at('2026-01-31T23:59:00Z');
  const DAY2 = at('2026-02-01T00:01:00Z');
  const start = (ms: number): number => windowStartOf('day', ms);
  const daily = (changes: Partial<Budget> = {}): Budget => aBudget({ cap: 100n, window: 'day', windowStartMs: start(DAY1), ...changes });
  const holdAt = (nowMs: number, amount: bigint): Hold => ({ budgetId: aBudget().budgetId, unit: 'RISK_POINTS', amount, windowStartMs: start(nowMs) });
  const held = (budget: Budget, amount: bigint, nowMs: number): Budget => {
    const after = holdOn(budgetNow(budget, nowMs), amount);
    if (after === undefined) throw new Error('not covered');
    return after;
  };

  test('nothing is spent yet in a new window, and a look alone changes nothing', () => {
    const full = daily({ committed: 100n });
    expect(uncovered(budgetNow(full, DAY1), 1n)).toBe('cap');
    expect(budgetNow(full, DAY2)).toEqual(daily({ committed: 0n, windowStartMs: start(DAY2) }));
    expect(budgetNow(full, DAY1)).toBe(full);
  });
  test('a clock that goes back does not reopen an earlier window', () => {
    const later = daily({ windowStartMs: start(DAY2), committed: 100n });
    expect(budgetNow(later, DAY1)).toBe(later);
  });
  test('invariant 7: a hold belongs to the window it was made in, also when it is committed late', () => {
    const yesterday = held(daily({ committed: 40n }), 60n, DAY1);
    const today = held(yesterday, 100n, DAY2);
    expect(today).toMatchObject({ held: 100n, committed: 0n, earlier: [{ startMs: start(DAY1), cap: 100n, held: 60n, committed: 40n }] });
    expect(uncovered(today, 1n)).toBe('cap');
    const hold = holdAt(DAY1, 60n);
    const settled = settleOn(today, hold, 50n);
    expect(settled).toEqual(daily({ held: 100n, committed: 0n, windowStartMs: start(DAY2), entryNo: 4 }));
    expect(settleMoveOf(today, settled, hold, 50n)).toEqual({ budget_id: today.budgetId, unit: 'RISK_POINTS', amount: '50', entry_no: 4, held: '0', committed: '90', cap: '100', window_start: toInstant(start(DAY1)) });
  });
  test('an end before anything is held in the new window stays in the stored one', () => {
    const yesterday = held(daily(), 60n, DAY1);
    expect(settleOn(yesterday, holdAt(DAY1, 60n), 60n)).toEqual(daily({ committed: 60n, entryNo: 3 }));
  });
  test('replaying the moves gives the same budget, window by window', () => {
    const moves: BudgetMove[] = [];
    const base = daily();
    const one = held(base, 60n, DAY1);
    moves.push(moveOf(one, 60n));
    const two = held(one, 30n, DAY1);
    moves.push(moveOf(two, 30n));
    const three = held(two, 70n, DAY2);
    moves.push(moveOf(three, 70n));
    const four = settleOn(three, holdAt(DAY1, 60n), 20n);
    moves.push(settleMoveOf(three, four, holdAt(DAY1, 60n), 20n));
    const five = settleOn(four, holdAt(DAY2, 70n), 70n);
    moves.push(settleMoveOf(four, five, holdAt(DAY2, 70n), 70n));
    const six = settleOn(five, holdAt(DAY1, 30n), 0n);
    moves.push(settleMoveOf(five, six, holdAt(DAY1, 30n), 0n));
    expect(moves.reduce(budgetAfter, base)).toEqual(six);
    expect(six).toEqual(daily({ committed: 70n, windowStartMs: start(DAY2), entryNo: 7 }));
  });
  test('a new window pays what is owed before anything else', () => {
    const owing = daily({ committed: 100n, debt: 130n, overLimit: true });
    const next = budgetNow(owing, DAY2);
    expect(next).toEqual(daily({ committed: 100n, debt: 30n, windowStartMs: start(DAY2) }));
    expect(uncovered(next, 0n)).toBe('debt');
  });
  test('windows with standing holds are bounded', () => {
    const earlier = Array.from({ length: MAX_EARLIER_WINDOWS + 1 }, (_, index) => ({ startMs: index, cap: 1n, held: 1n, committed: 0n }));
    expect(uncovered(daily({ earlier }), 1n)).toBe('earlier_windows');
  });
});
