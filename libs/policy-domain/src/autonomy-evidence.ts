import { AUTONOMY_LEVELS } from '@exequatur/contracts';
import type { AutonomyLevel } from '@exequatur/contracts';
import type { AutonomySettings } from './autonomy.js';

/** How actions of one agent and kind ended with people, counted by action in the window and since the level last changed. */
export interface AutonomyCounts {
  /** everything below; an action that was denied after its approval is in both, and counts once */
  readonly decided: number;
  /** as it was proposed */
  readonly approved: number;
  readonly rejected: number;
  /** approved, but narrower or otherwise than it was proposed */
  readonly edited: number;
  readonly denied_after_approval: number;
}

export type AutonomyAdvice = { readonly advice: 'keep' } | { readonly advice: 'raise' | 'lower'; readonly level: AutonomyLevel; readonly reason: string };

/** Below it nothing falls by itself: people see everything there. */
const LOWEST_BY_ITSELF: AutonomyLevel = 'gate_all';

/** One step at a time: down where a rate is above its threshold, up where enough was approved and nothing else. Raising is advice to a person, lowering is done. */
export const autonomyAdvice = (settings: AutonomySettings, level: AutonomyLevel, counts: AutonomyCounts): AutonomyAdvice => {
  const above = RATES.flatMap(({ name, count, threshold }) => {
    const ppm = counts.decided === 0 ? 0 : Math.floor((counts[count] * 1_000_000) / counts.decided);
    return ppm > settings[threshold] ? [`${name} ${percent(ppm)} of ${counts.decided} decided, threshold ${percent(settings[threshold])}`] : [];
  });
  const step = AUTONOMY_LEVELS.indexOf(level);
  if (counts.decided >= settings.minimum_volume && above.length > 0) {
    const lower = AUTONOMY_LEVELS[step - 1];
    return step > AUTONOMY_LEVELS.indexOf(LOWEST_BY_ITSELF) && lower !== undefined ? { advice: 'lower', level: lower, reason: above.join('; ') } : { advice: 'keep' };
  }
  const higher = AUTONOMY_LEVELS[step + 1];
  const isClean = counts.rejected + counts.edited + counts.denied_after_approval === 0;
  return higher !== undefined && isClean && counts.approved >= settings.suggest_after ? { advice: 'raise', level: higher, reason: `${counts.approved} approved, none edited, rejected or denied` } : { advice: 'keep' };
};

const RATES = [
  { name: 'rejections', count: 'rejected', threshold: 'rejections_ppm' },
  { name: 'denials after approval', count: 'denied_after_approval', threshold: 'denials_ppm' },
  { name: 'edits', count: 'edited', threshold: 'edits_ppm' },
] as const;

const percent = (ppm: number): string => `${ppm / 10_000} %`;
