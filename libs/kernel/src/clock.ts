/** Where time comes from. Authority is judged by the database's clock; this one serves timeouts, ids and logs. */
export interface Clock {
  /** Unix time in milliseconds. May jump. */
  now(): number;
  /** Milliseconds since some fixed point. Never goes back, says nothing about the date. */
  monotonic(): number;
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
};

/** A batch writes one moment many times. */
let last = { ms: Number.NaN, text: '' };

/** RFC 3339 in UTC with milliseconds: `2026-01-31T08:00:00.000Z`. @throws RangeError when ms is no valid time. */
export const toInstant = (ms: number): string => {
  if (ms !== last.ms) last = { ms, text: new Date(ms).toISOString() };
  return last.text;
};

const INSTANT = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d{1,9})?(?:Z|[+-]\d{2}:\d{2})$/;

/** Unix milliseconds of an RFC 3339 date-time; digits past milliseconds are dropped. @throws RangeError when it is none. */
export const fromInstant = (text: string): number => {
  const ms = INSTANT.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(ms)) throw new RangeError('not an RFC 3339 date-time');
  return ms;
};
