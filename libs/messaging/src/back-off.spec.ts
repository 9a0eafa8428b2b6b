import { expect, test } from '@jest/globals';
import { backOffMs } from './back-off.js';

test('waits longer after each failure in a row, and never longer than five seconds', () => {
  const steadily = (failures: number): number => backOffMs(failures, () => 0);
  expect([1, 2, 3, 4, 6, 7, 100, 1e9].map(steadily)).toEqual([100, 200, 400, 800, 3_200, 5_000, 5_000, 5_000]);
});

test('takes off up to a fifth at random', () => {
  for (let n = 0; n < 200; n += 1) {
    const ms = backOffMs(4);
    expect(ms).toBeGreaterThanOrEqual(640);
    expect(ms).toBeLessThanOrEqual(800);
  }
});
