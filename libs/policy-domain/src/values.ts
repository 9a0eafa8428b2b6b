import { AmountError, decimalToUnit, formatAmount, pointerSteps } from '@exequatur/kernel';
import { isExpression } from './argument-schema.js';
import type { SchemaLanguage } from './argument-schema.js';
import { below, entriesOf, fault, isMapping, isPresent } from './findings.js';
import type { Place } from './findings.js';
import { parseDuration } from './duration.js';
import { isVersionRange } from './tool-version.js';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;
const KIND_PATTERN = /^[A-Za-z0-9*][A-Za-z0-9._:@+*-]{0,127}$/;
const SCOPE = /^tenant:[A-Za-z0-9._-]{1,128}(\/[a-z][a-z0-9_]{0,31}:[A-Za-z0-9._-]{1,128}){0,9}$/;
const UNIT = /^[A-Z][A-Z0-9_]{0,31}$/;

/** Control characters but tab and line feed, and halves of a surrogate pair, which YAML can write and others cannot read. */
const UNPRINTABLE = /[\u0000-\u0008\u000b-\u001f\u007f]|\p{Surrogate}/u;

export const readText = (place: Place, maxLength: number): string | undefined => {
  const { value } = place;
  if (typeof value !== 'string' || value === '') return fault(place, 'must be text');
  if (UNPRINTABLE.test(value)) return fault(place, 'must not hold control characters');
  return value.length <= maxLength ? value : fault(place, `must have at most ${maxLength} characters`);
};

const readPattern = (pattern: RegExp, expected: string) => (place: Place): string | undefined => {
  const { value } = place;
  return typeof value === 'string' && pattern.test(value) ? value : fault(place, `must be ${expected}`);
};

export const readName = readPattern(NAME, 'a name: letters, digits and . _ : @ + -, at most 128');
export const readKindPattern = readPattern(KIND_PATTERN, 'an action kind such as message.email.send, or a glob such as message.*');
export const readScope = readPattern(SCOPE, 'a scope path such as tenant:acme/workspace:sales');

/** `name`, `name@version` or `name@>=1.2 <2`. */
export const readToolPattern = (place: Place): string | undefined => {
  const { value } = place;
  const at = typeof value === 'string' ? value.lastIndexOf('@') : -1;
  if (typeof value === 'string' && at > 0 && NAME.test(value.slice(0, at)) && isVersionRange(value.slice(at + 1))) return value;
  return typeof value === 'string' && NAME.test(value) ? value : fault(place, 'must be a tool: name, name@1.0 or name@>=1.2 <2');
};

/** A version, or a range such as `>=1.2 <2`. */
export const readVersion = (place: Place): string | undefined => {
  const { value } = place;
  return typeof value === 'string' && (NAME.test(value) || isVersionRange(value)) ? value : fault(place, 'must be a version such as 1.0, or a range such as >=1.2 <2');
};

const MAX_POINTER = 200;
const MAX_EXPRESSION = 513;

export const readPointerText = (place: Place): string | undefined => {
  const { value } = place;
  return typeof value === 'string' && value !== '' && value.length <= MAX_POINTER && pointerSteps(value) !== undefined ? value : fault(place, 'must be a JSON Pointer into the arguments such as /to');
};

/** A pointer, or an expression such as `=total(arguments.lines.map(l, l.amount))`; compiled here only to tell its faults. */
export const readSource = (place: Place, language: SchemaLanguage | undefined): string | undefined => {
  const { value } = place;
  if (typeof value !== 'string' || !isExpression(value)) return readPointerText(place);
  if (readText(place, MAX_EXPRESSION) === undefined) return undefined;
  const compiled = language?.extractor?.(value.slice(1));
  return compiled !== undefined && 'fault' in compiled ? fault(place, compiled.fault) : value;
};

export const readChoice = <const C extends readonly string[]>(place: Place, choices: C): C[number] | undefined => {
  const chosen = choices.find((each) => each === place.value);
  return chosen ?? fault(place, `must be one of ${choices.join(', ')}`);
};

export const readWhole = (place: Place, maximum: number, minimum = 0): number | undefined => {
  const { value } = place;
  return typeof value === 'number' && Number.isInteger(value) && value >= minimum && value <= maximum ? value : fault(place, `must be a whole number from ${minimum} to ${maximum}`);
};

export const readTruth = (place: Place): boolean | undefined => (typeof place.value === 'boolean' ? place.value : fault(place, 'must be true or false'));

export const readDuration = (place: Place): number | undefined => {
  const ms = typeof place.value === 'string' ? parseDuration(place.value) : undefined;
  return ms ?? fault(place, 'must be a duration such as 90s, 10m, 4h, 180d or 7y');
};

/** 0.05 → 50000 parts per million. */
export const readShare = (place: Place): number | undefined => {
  const { value } = place;
  return typeof value === 'number' && value >= 0 && value <= 1 ? Math.round(value * 1_000_000) : fault(place, 'must be a share from 0 to 1');
};

/** `{ USD: "42.00", CALLS: 10 }` as integers by unit. Money is text, since a decimal fraction is not exact as a number. */
export const readAmounts = (place: Place): Readonly<Record<string, string>> | undefined => {
  if (!isMapping(place)) return undefined;
  const amounts: Record<string, string> = {};
  if (Object.keys(place.value).length > MAX_UNITS) return fault(place, `must have at most ${MAX_UNITS} units`);
  for (const key of Object.keys(place.value)) {
    const inner = below(place, key);
    if (!UNIT.test(key)) fault(inner, 'must be a currency or unit such as USD, TOKENS, CALLS');
    else {
      const converted = readAmount(inner, key);
      if (converted !== undefined) amounts[converted.unit] = converted.amount;
    }
  }
  return amounts;
};

const readAmount = (place: Place, unitOrCurrency: string): { unit: string; amount: string } | undefined => {
  const { value } = place;
  const text = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  if (typeof text !== 'string') return fault(place, 'must be an amount as text, such as "42.00"');
  try {
    const { unit, amount } = decimalToUnit(text, unitOrCurrency);
    return { unit, amount: formatAmount(amount) };
  } catch (error) {
    if (error instanceof AmountError) return fault(place, `must be an amount such as "42.00" (${error.reason})`);
    throw error;
  }
};

/** Events carry at most so many entries of a list, and so many units. */
const MAX_ENTRIES = 100;
export const MAX_UNITS = 20;

/** One value or a list of them, as a list. */
export const readMany = (place: Place, read: (place: Place) => string | undefined, most = MAX_ENTRIES): readonly string[] | undefined => {
  const places = Array.isArray(place.value) ? entriesOf(place) : [place];
  if (places.length === 0) return fault(place, 'must not be empty');
  if (places.length > most) return fault(place, `must have at most ${most} entries`);
  const values = places.map(read);
  return values.every((value) => value !== undefined) ? values : undefined;
};

/** What `read` finds below this key, when the key is there. */
export const maybe = <T>(place: Place, key: string, read: (place: Place) => T | undefined): T | undefined => {
  const inner = below(place, key);
  return isPresent(inner) ? read(inner) : undefined;
};

type Compact<T> = { readonly [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & { readonly [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined> };

/** The same object without the keys whose value is undefined. */
export const compact = <T extends Readonly<Record<string, unknown>>>(fields: T): Compact<T> => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Compact<T>;
