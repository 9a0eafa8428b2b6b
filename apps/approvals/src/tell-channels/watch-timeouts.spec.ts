import { expect, test } from '@jest/globals';
import { isSpike } from './watch-timeouts.js';

test.each([
  ['five in silence where none was', { recent: 5, before: 0, decided: 0 }, true],
  ['four', { recent: 4, before: 0, decided: 0 }, false],
  ['people decide more', { recent: 20, before: 0, decided: 20 }, false],
  ['as on any other day', { recent: 9, before: 9 * 96, decided: 0 }, false],
  ['three times as many as on any other day', { recent: 27, before: 9 * 96, decided: 3 }, true],
])('%s', (_, timeouts, spike) => expect(isSpike(timeouts)).toBe(spike));
