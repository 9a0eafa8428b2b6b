import { build } from 'hdr-histogram-js';
import type { Histogram } from 'hdr-histogram-js';

export interface Measured {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly count: number;
  /** Rounds begun, warm-up included: what the servers worked for. */
  readonly started: number;
  readonly errors: number;
}

const histogramOf = (): Histogram => build({ lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000, numberOfSignificantValueDigits: 3 });

const measured = (histogram: Histogram, seconds: number, errors: number, started: number): Measured => ({
  perSecond: histogram.totalCount / seconds,
  p50: histogram.getValueAtPercentile(50) / 1_000,
  p99: histogram.getValueAtPercentile(99) / 1_000,
  p999: histogram.getValueAtPercentile(99.9) / 1_000,
  max: histogram.maxValue / 1_000,
  count: histogram.totalCount,
  started,
  errors,
});

export interface Window {
  readonly warmUpMs: number;
  readonly measureMs: number;
}

/** A round, and its first part when the round marks one. */
export interface Rounds extends Measured {
  readonly firstPart?: Measured;
}

/** Closed loop: each client starts its next round when its last one ended. Latency in ms of whole rounds, and up to `mark()`. */
export const closedLoop = async (clients: number, window: Window, round: (client: number, mark: () => void) => Promise<void>): Promise<Rounds> => {
  const histogram = histogramOf();
  const parts = histogramOf();
  const from = performance.now() + window.warmUpMs;
  const until = from + window.measureMs;
  let errors = 0;
  let begun = 0;
  let lastError: unknown;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      while (performance.now() < until) {
        const started = performance.now();
        begun += 1;
        try {
          await round(client, () => {
            if (started >= from) parts.recordValue(Math.max(1, Math.round((performance.now() - started) * 1_000)));
          });
          const ended = performance.now();
          if (started >= from && ended <= until) histogram.recordValue(Math.max(1, Math.round((ended - started) * 1_000)));
        } catch (error) {
          errors += 1;
          lastError = error;
          if (errors > 1_000) throw error;
        }
      }
    }),
  );
  if (errors > 0) console.error(`  ${errors} errors, the last: ${String(lastError)}`);
  const whole = measured(histogram, window.measureMs / 1_000, errors, begun);
  return parts.totalCount === 0 ? whole : { ...whole, firstPart: measured(parts, window.measureMs / 1_000, 0, begun) };
};

/** Open loop at a fixed rate: latency counts from the scheduled moment, so a stall is not hidden by waiting for it. */
export const openLoop = async (perSecond: number, window: Window, round: (nth: number) => Promise<void>): Promise<Measured> => {
  const histogram = histogramOf();
  const started = performance.now();
  const from = started + window.warmUpMs;
  const until = from + window.measureMs;
  const underWay = new Set<Promise<void>>();
  let errors = 0;
  let nth = 0;
  for (; ; nth += 1) {
    const scheduled = started + (nth * 1_000) / perSecond;
    if (scheduled >= until) break;
    const wait = scheduled - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    const one = round(nth).then(
      () => {
        if (scheduled >= from) histogram.recordValue(Math.max(1, Math.round((performance.now() - scheduled) * 1_000)));
      },
      () => {
        errors += 1;
      },
    );
    underWay.add(one);
    void one.finally(() => underWay.delete(one));
  }
  await Promise.all(underWay);
  return measured(histogram, window.measureMs / 1_000, errors, nth);
};
