import { DEFAULT_AUTONOMY } from './autonomy.js';
import type { AutonomySettings } from './autonomy.js';
import { below, closedMapping, fault } from './findings.js';
import type { Place } from './findings.js';
import { maybe, readDuration, readShare, readWhole } from './values.js';

/** As long as outcomes are kept. */
const LONGEST_WINDOW_MS = 90 * 86_400_000;

/** `autonomy`: when a level is suggested to rise, and when it falls by itself. What is absent has its default. */
export const readAutonomy = (place: Place): AutonomySettings | undefined => {
  if (!closedMapping(place, ['window', 'minimum_volume', 'rejections', 'denials', 'edits', 'suggest_after'])) return undefined;
  const whole = (inner: Place) => readWhole(inner, 1_000_000, 1);
  const window = maybe(place, 'window', readDuration);
  if (window !== undefined && window > LONGEST_WINDOW_MS) fault(below(place, 'window'), 'must be at most 90d');
  return {
    window_ms: window ?? DEFAULT_AUTONOMY.window_ms,
    minimum_volume: maybe(place, 'minimum_volume', whole) ?? DEFAULT_AUTONOMY.minimum_volume,
    rejections_ppm: maybe(place, 'rejections', readShare) ?? DEFAULT_AUTONOMY.rejections_ppm,
    denials_ppm: maybe(place, 'denials', readShare) ?? DEFAULT_AUTONOMY.denials_ppm,
    edits_ppm: maybe(place, 'edits', readShare) ?? DEFAULT_AUTONOMY.edits_ppm,
    suggest_after: maybe(place, 'suggest_after', whole) ?? DEFAULT_AUTONOMY.suggest_after,
  };
};
