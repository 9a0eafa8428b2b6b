import type { Caps } from '@exequatur/contracts';
import { AmountError, parseAmount } from '@exequatur/kernel';
import { AMOUNTS, LIST_NAMES, LISTS, NUMBERS } from './dimensions.js';
import type { PatternKind } from './pattern.js';

type AmountTexts = Readonly<Record<string, string>>;
/** Caps under construction. */
type Draft = { -readonly [K in keyof Caps]: Caps[K] };

/**
 * The limits that hold when both do: the smaller number, the common entries, per unit the smaller amount. A list may come
 * out empty: then nothing of that dimension is allowed. The result is in normal form, whatever a and b are.
 */
export const intersectCaps = (a: Caps, b: Caps): Caps => {
  const narrowed: Draft = {};
  for (const dimension of NUMBERS) {
    const limit = both(a[dimension], b[dimension], smallerNumber);
    if (limit !== undefined) narrowed[dimension] = limit;
  }
  for (const dimension of LIST_NAMES) {
    const kind = LISTS[dimension];
    const entries = both(a[dimension], b[dimension], (left, right) => commonEntries(kind, left, right));
    if (entries !== undefined) narrowed[dimension] = normalEntries(kind, entries);
  }
  for (const dimension of AMOUNTS) {
    const amounts = normalAmounts(both(a[dimension], b[dimension], smallerAmounts));
    if (amounts !== undefined) narrowed[dimension] = amounts;
  }
  return narrowed;
};

/** One spelling for caps that allow the same: lists sorted and without covered entries, no empty max_amount. */
export const normalCaps = (caps: Caps): Caps => intersectCaps(caps, {});

/**
 * True when whatever `inner` allows, `outer` allows. An absent field is unbounded: an inner that does not bound what outer
 * bounds is wider. What cannot be compared (an amount that is no amount, NaN) counts as wider.
 */
export const capsContain = (outer: Caps, inner: Caps): boolean =>
  NUMBERS.every((dimension) => within(outer[dimension], inner[dimension], (limit, number) => number <= limit)) &&
  LIST_NAMES.every((dimension) =>
    within(outer[dimension], inner[dimension], (allowed, entries) => entries.every((entry) => allowed.some((one) => LISTS[dimension].covers(one, entry)))),
  ) &&
  AMOUNTS.every((dimension) =>
    Object.entries(outer[dimension] ?? {}).every(([name, limit]) => {
      const amount = ownValue(inner[dimension], name);
      return amount !== undefined && amountWithin(limit, amount);
    }),
  );

const both = <T>(a: T | undefined, b: T | undefined, narrower: (a: T, b: T) => T): T | undefined => {
  if (a === undefined) return b;
  return b === undefined ? a : narrower(a, b);
};

const within = <T>(outer: T | undefined, inner: T | undefined, fits: (outer: T, inner: T) => boolean): boolean =>
  outer === undefined || (inner !== undefined && fits(outer, inner));

/** NaN, from a bug elsewhere, allows nothing: 0. */
const smallerNumber = (a: number, b: number): number => (Number.isNaN(a + b) ? 0 : Math.min(a, b));

const commonEntries = (kind: PatternKind, a: readonly string[], b: readonly string[]): readonly string[] => {
  const coveredBy = (others: readonly string[]) => (entry: string) => others.some((other) => kind.covers(other, entry));
  return [...a.filter(coveredBy(b)), ...b.filter(coveredBy(a))];
};

const normalEntries = (kind: PatternKind, entries: readonly string[]): readonly string[] => {
  const distinct = [...new Set(entries.map((entry) => kind.normal(entry)))].sort();
  return distinct.filter((entry) => !distinct.some((other) => other !== entry && kind.covers(other, entry)));
};

const smallerAmounts = (a: AmountTexts, b: AmountTexts): AmountTexts => {
  const units = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  return Object.fromEntries(units.map((unit) => [unit, both(ownValue(a, unit), ownValue(b, unit), smallerAmount) ?? '0']));
};

/** Amounts that cannot be read allow nothing: 0. */
const smallerAmount = (a: string, b: string): string => {
  const [left, right] = [readAmount(a), readAmount(b)];
  if (left === undefined || right === undefined) return '0';
  return left < right ? a : b;
};

const normalAmounts = (amounts: AmountTexts | undefined): AmountTexts | undefined => {
  const entries = Object.entries(amounts ?? {}).map(([unit, text]): [string, string] => [unit, readAmount(text) === undefined ? '0' : text]);
  return entries.length === 0 ? undefined : Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
};

const amountWithin = (limit: string, amount: string): boolean => {
  const [most, actual] = [readAmount(limit), readAmount(amount)];
  return most !== undefined && actual !== undefined && actual <= most;
};

const readAmount = (text: string): bigint | undefined => {
  try {
    return parseAmount(text);
  } catch (error) {
    if (error instanceof AmountError) return undefined;
    throw error;
  }
};

const ownValue = (texts: AmountTexts | undefined, unit: string): string | undefined => (texts !== undefined && Object.hasOwn(texts, unit) ? texts[unit] : undefined);
