import { describe, expect, test } from '@jest/globals';
import { autonomyAdvice, DEFAULT_AUTONOMY } from './index.js';
import type { AutonomyCounts } from './index.js';

const settings = { ...DEFAULT_AUTONOMY, minimum_volume: 10, suggest_after: 20, rejections_ppm: 200_000, denials_ppm: 100_000, edits_ppm: 300_000 };
const counts = (change: Partial<AutonomyCounts>): AutonomyCounts => ({ decided: 10, approved: 0, rejected: 0, edited: 0, denied_after_approval: 0, ...change });

describe('P8: what evidence comes to', () => {
  test.each([
    ['rejections', { rejected: 3 }, 'rejections 30 % of 10 decided, threshold 20 %'],
    ['denials after approval', { denied_after_approval: 2 }, 'denials after approval 20 % of 10 decided, threshold 10 %'],
    ['edits', { edited: 4 }, 'edits 40 % of 10 decided, threshold 30 %'],
  ])('%s above their threshold lower by one step', (_, change, reason) => {
    expect(autonomyAdvice(settings, 'auto', counts(change))).toEqual({ advice: 'lower', level: 'log', reason });
    expect(autonomyAdvice(settings, 'log', counts(change))).toEqual({ advice: 'lower', level: 'gate_all', reason });
  });

  test('at the threshold, below the volume, and where people see everything already, it stays', () => {
    expect(autonomyAdvice(settings, 'auto', counts({ rejected: 2 }))).toEqual({ advice: 'keep' });
    expect(autonomyAdvice(settings, 'auto', counts({ decided: 9, rejected: 9 }))).toEqual({ advice: 'keep' });
    for (const level of ['gate_all', 'observe_only'] as const) expect(autonomyAdvice(settings, level, counts({ rejected: 10 }))).toEqual({ advice: 'keep' });
  });

  test('enough approved, and nothing else, suggests one step up', () => {
    expect(autonomyAdvice(settings, 'gate_all', counts({ decided: 20, approved: 20 }))).toEqual({ advice: 'raise', level: 'log', reason: '20 approved, none edited, rejected or denied' });
    expect(autonomyAdvice(settings, 'gate_all', counts({ decided: 19, approved: 19 }))).toEqual({ advice: 'keep' });
    for (const spoilt of [{ rejected: 1 }, { edited: 1 }, { denied_after_approval: 1 }]) expect(autonomyAdvice(settings, 'gate_all', counts({ decided: 100, approved: 99, ...spoilt }))).toEqual({ advice: 'keep' });
    expect(autonomyAdvice(settings, 'auto', counts({ decided: 99, approved: 99 }))).toEqual({ advice: 'keep' });
  });
});
