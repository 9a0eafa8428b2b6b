import { AmountError, decimalToUnit } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';

/** What stands in an argument, as an integer of a unit. `decimals` are the places it was written with. */
export interface AmountArgument {
  readonly unit: string;
  readonly amount: bigint;
  readonly written: 'text' | 'number';
  readonly decimals: number;
}

/** Decimal places of the unit: 8 for USD (1 USD = 10^8 micro-cents), 0 for what is counted whole. */
const placesOf = (currencyOrUnit: string): number => decimalToUnit('1', currencyOrUnit).amount.toString().length - 1;

/** The unit that an extractor's key (`USD`, `TOKENS`, …) counts in. */
export const unitOfExtractor = (currencyOrUnit: string): string => decimalToUnit('0', currencyOrUnit).unit;

/**
 * Reads `"42.00"`, `"42"`, `42` or `42.5` as an amount of `currencyOrUnit` (the key of the tool's extractor).
 * Undefined when it is no plain non-negative amount: then nothing can be narrowed there.
 */
export const readAmountArgument = (value: JsonValue | undefined, currencyOrUnit: string): AmountArgument | undefined => {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const text = String(value);
  try {
    const { unit, amount } = decimalToUnit(text, currencyOrUnit);
    return { unit, amount, written: typeof value === 'string' ? 'text' : 'number', decimals: text.split('.')[1]?.length ?? 0 };
  } catch (error) {
    if (error instanceof AmountError) return undefined;
    throw error;
  }
};

/**
 * `amount` in the type and format of the argument it replaces: text stays text with at least as many decimals, a number
 * stays a number. Undefined when that form cannot say it exactly.
 */
export const writeAmountArgument = (amount: bigint, like: AmountArgument, currencyOrUnit: string): JsonValue | undefined => {
  const text = decimalText(amount, placesOf(currencyOrUnit), like.decimals);
  const value: JsonValue = like.written === 'text' ? text : Number(text);
  return readAmountArgument(value, currencyOrUnit)?.amount === amount ? value : undefined;
};

/** `decimalText(4_200_000_000n, 8, 2)` is `42.00`: exact, without more trailing zeros than `leastDecimals`. */
export const decimalText = (amount: bigint, places: number, leastDecimals: number): string => {
  const digits = amount.toString().padStart(places + 1, '0');
  const whole = digits.slice(0, digits.length - places);
  const exact = digits.slice(digits.length - places).replace(/0+$/, '');
  const fraction = exact.padEnd(Math.min(leastDecimals, places), '0');
  return fraction === '' ? whole : `${whole}.${fraction}`;
};

/** For people: `42.00 USD`, `20 RISK_POINTS`. */
export const shownAmount = (unit: string, amount: bigint): string => (unit === 'USD_MICROCENTS' ? `${decimalText(amount, placesOf('USD'), 2)} USD` : `${amount} ${unit}`);
