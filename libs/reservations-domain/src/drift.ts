import type { CircuitSettings, DataOf, DriftDetected } from '@exequatur/contracts';
import { DEFAULT_CIRCUIT } from './circuit.js';

/** How often an agent asked for each kind. */
export type KindCounts = Readonly<Record<string, number>>;

/** Below this many on either side a shift says nothing. */
export const DRIFT_VOLUME = 50;
const MAX_NAMED_KINDS = 20;
/** A kind one side never saw has this share there, so that the index stays finite. */
const UNSEEN_SHARE = 0.0001;

const volumeOf = (counts: KindCounts): number => Object.values(counts).reduce((sum, count) => sum + count, 0);
const shareOf = (counts: KindCounts, kind: string, volume: number): number => (Object.hasOwn(counts, kind) ? (counts[kind] ?? 0) : 0) / volume;

/**
 * Population stability index of two distributions of kinds, in parts per million: sum of (recent - baseline) × ln(recent ÷
 * baseline). Customary reading: below 0.1 stable, above 0.25 shifted. 0 when either side is empty.
 */
export const stabilityIndexPpm = (baseline: KindCounts, recent: KindCounts): number => {
  const [before, now] = [volumeOf(baseline), volumeOf(recent)];
  if (before === 0 || now === 0) return 0;
  let index = 0;
  for (const kind of new Set([...Object.keys(baseline), ...Object.keys(recent)])) {
    const was = Math.max(shareOf(baseline, kind, before), UNSEEN_SHARE);
    const is = Math.max(shareOf(recent, kind, now), UNSEEN_SHARE);
    index += (is - was) * Math.log(is / was);
  }
  return Math.round(index * 1_000_000);
};

export interface DriftQuestion {
  readonly agent: string;
  /** the agent's past, without the recent window */
  readonly baseline: KindCounts;
  /** the window that ends now */
  readonly recent: KindCounts;
  readonly settings: CircuitSettings;
  readonly nowMs: number;
  /** Unix ms of the last warning for this agent */
  readonly warnedAtMs: number | undefined;
}

/** A warning at most once a window, and only on enough volume; nothing is stopped by it. */
export const detectDrift = ({ agent, baseline, recent, settings, nowMs, warnedAtMs }: DriftQuestion): DataOf<typeof DriftDetected> | undefined => {
  const windowMs = settings.window_ms ?? DEFAULT_CIRCUIT.window_ms;
  const thresholdPpm = settings.drift_ppm ?? DEFAULT_CIRCUIT.drift_ppm;
  if (warnedAtMs !== undefined && nowMs - warnedAtMs < windowMs) return undefined;
  const [before, now] = [volumeOf(baseline), volumeOf(recent)];
  if (before < DRIFT_VOLUME || now < DRIFT_VOLUME) return undefined;
  const psiPpm = stabilityIndexPpm(baseline, recent);
  if (psiPpm < thresholdPpm) return undefined;
  const ppm = (share: number): number => Math.round(share * 1_000_000);
  const kinds = [...new Set([...Object.keys(baseline), ...Object.keys(recent)])]
    .map((kind) => ({ action_kind: kind, baseline_ppm: ppm(shareOf(baseline, kind, before)), recent_ppm: ppm(shareOf(recent, kind, now)) }))
    .sort((a, b) => Math.abs(b.recent_ppm - b.baseline_ppm) - Math.abs(a.recent_ppm - a.baseline_ppm) || (a.action_kind < b.action_kind ? -1 : 1));
  return { agent, psi_ppm: psiPpm, threshold_ppm: thresholdPpm, baseline_volume: before, recent_volume: now, window_ms: windowMs, kinds: kinds.slice(0, MAX_NAMED_KINDS) };
};
