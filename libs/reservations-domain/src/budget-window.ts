import type { BudgetWindow } from '@exequatur/contracts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Windows that begin anew; `run` and `lifetime` do not. */
export const beginsAnew = (window: BudgetWindow | undefined): window is 'hour' | 'day' | 'month' => window === 'hour' || window === 'day' || window === 'month';

/** Unix ms at which the window that `nowMs` lies in began, in UTC; 0 for windows that never begin anew. */
export const windowStartOf = (window: BudgetWindow | undefined, nowMs: number): number => {
  switch (window) {
    case 'hour':
      return nowMs - modulo(nowMs, HOUR_MS);
    case 'day':
      return nowMs - modulo(nowMs, DAY_MS);
    case 'month':
      return monthStartOf(Math.floor(nowMs / DAY_MS)) * DAY_MS;
    default:
      return 0;
  }
};

/** Unix ms at which the next window begins; undefined for windows that never begin anew. */
export const windowEndOf = (window: BudgetWindow | undefined, nowMs: number): number | undefined => {
  const start = windowStartOf(window, nowMs);
  switch (window) {
    case 'hour':
      return start + HOUR_MS;
    case 'day':
      return start + DAY_MS;
    case 'month':
      return windowStartOf('month', start + 32 * DAY_MS);
    default:
      return undefined;
  }
};

const modulo = (value: number, by: number): number => ((value % by) + by) % by;

/**
 * First day of the month of a day, both counted from 1970-01-01 in the proleptic Gregorian calendar. Pure code has no Date:
 * this is the day of the month of "civil_from_days" (H. Hinnant, chrono-compatible low-level date algorithms), taken off.
 */
const monthStartOf = (day: number): number => {
  const shifted = day + 719_468;
  const dayOfEra = modulo(shifted, 146_097);
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365);
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchBased = Math.floor((5 * dayOfYear + 2) / 153);
  return day - (dayOfYear - Math.floor((153 * marchBased + 2) / 5));
};
