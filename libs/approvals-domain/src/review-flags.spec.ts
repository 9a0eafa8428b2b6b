import { expect, test } from '@jest/globals';
import { reviewFlags } from './review-flags.js';

/** Numbers after each decision of a simulated reviewer. */
const flagsAfter = (decisions: number, approves: (n: number) => boolean, dwellMs: (n: number) => number): readonly string[] => {
  const each = Array.from({ length: decisions }, (_, n) => ({ approve: approves(n), dwell: dwellMs(n) }));
  const dwells = each.map(({ dwell }) => dwell).sort((left, right) => left - right);
  return reviewFlags({ decisions, approvals: each.filter(({ approve }) => approve).length, medianDwellMs: dwells[Math.floor(decisions / 2)] ?? 0 });
};

test('A9: whoever approves everything within two seconds is flagged for both within 100 decisions', () => {
  expect(flagsAfter(19, () => true, () => 2_000)).toEqual([]);
  expect(flagsAfter(20, () => true, () => 2_000)).toEqual(['decides_too_fast']);
  expect(flagsAfter(100, () => true, () => 2_000)).toEqual(['approves_nearly_everything', 'decides_too_fast']);
});
test('A9: a careful reviewer is not, at any volume', () => {
  for (const decisions of [20, 50, 100, 1_000]) expect(flagsAfter(decisions, (n) => n % 12 !== 0, (n) => 8_000 + (n % 40) * 1_000)).toEqual([]);
});
test('98 % itself is no flag, nor is a rate without looks a speed', () => {
  expect(reviewFlags({ decisions: 100, approvals: 98 })).toEqual([]);
  expect(reviewFlags({ decisions: 100, approvals: 99 })).toEqual(['approves_nearly_everything']);
});
