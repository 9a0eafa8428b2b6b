import { describe, expect, test } from '@jest/globals';
import type { Clock } from '@exequatur/kernel';
import { deadlineOf, isLate } from './deadline.js';

/** A wall clock that is `skewMs` off, and a monotonic one that began at 1,000,000. */
const at = (elapsedMs: number, skewMs = 0): Clock => ({ now: () => 50_000 + elapsedMs + skewMs, monotonic: () => 1_000_000 + elapsedMs });

/** Asked at 0, answered at once: execute within 10 s of then. */
const deadline = deadlineOf({ executeBy: 60_000, executeWithinMs: 10_000, askedAt: 1_000_000, databaseNow: 50_100, readAt: 1_000_100 });

describe('execute_by on two clocks', () => {
  test.each([
    [0, 0, false],
    [9_999, 0, false],
    [10_000, 0, true],
    [12_000, 0, true],
  ])('invariant 2: %i ms after the ask, clocks right: late is %s', (elapsed, skew, late) => expect(isLate(deadline, at(elapsed, skew))).toBe(late));

  test('invariant 28: a wall clock that is two hours slow does not lengthen it', () => expect(isLate(deadline, at(10_000, -7_200_000))).toBe(true));
  test('invariant 28: a wall clock that is two hours fast gives none', () => expect(isLate(deadline, at(0, 7_200_000))).toBe(true));
  test('invariant 28: a wall clock that jumps back while waiting does not help', () => {
    const jumping: Clock = { now: () => 50_000, monotonic: () => 1_010_000 };
    expect(isLate(deadline, jumping)).toBe(true);
  });

  test('a replayed answer counts from what the database says is left, not from the second ask', () => {
    const replayed = deadlineOf({ executeBy: 60_000, executeWithinMs: 10_000, askedAt: 1_009_000, databaseNow: 59_000, readAt: 1_009_000 });
    expect(isLate(replayed, { now: () => 50_000, monotonic: () => 1_010_000 })).toBe(true);
  });
  test('a database clock that ran back does not lengthen it either', () => {
    const set = deadlineOf({ executeBy: 60_000, executeWithinMs: 10_000, askedAt: 1_000_000, databaseNow: 20_000, readAt: 1_000_000 });
    expect(isLate(set, { now: () => 20_000, monotonic: () => 1_010_000 })).toBe(true);
  });
});
