/** Why a number is refused; undefined when it may stand. */
export type NumberFault = 'unsafe_number' | 'negative_zero';

/** A double holds every decimal of up to 15 significant digits, and needs 17 to be told from its neighbours. */
const MOST_DIGITS = 17;
/** From here on RFC 8785 writes an exponent, so no reader takes the canonical text for an exact integer. */
const EXPONENT_FROM = 1e21;

/**
 * Judges a number by its text (contracts.md "Canonical form"): it must survive text → double → text.
 * - `-0` in any spelling is `negative_zero`: it would hash as 0.
 * - An integer written without exponent, or whose canonical text has none, must lie within ±(2^53 − 1).
 * - Printed with as many significant digits as the text has (at most 17), or as few as tell it from its neighbours, the
 *   double must give the text's digits again.
 *   This refuses 1e400 (infinite), 1e-400 (zero), 0.1000000000000000001 (19 digits) and 9007199254740993.0.
 * @param text a number in the grammar of RFC 8259 section 6
 * @param value Number(text)
 */
export const numberFault = (text: string, value: number): NumberFault | undefined => {
  if (value === 0 && text.startsWith('-') && !hasDigit(text)) return 'negative_zero';
  if (!Number.isFinite(value)) return 'unsafe_number';
  const plainInteger = /^-?\d+$/.test(text);
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && (plainInteger || Math.abs(value) < EXPONENT_FROM)) return 'unsafe_number';
  if (plainInteger) return undefined;
  const digits = significantDigits(text);
  if (digits === '') return undefined;
  if (value === 0 || digits.length > MOST_DIGITS) return 'unsafe_number';
  // Both forms: where the 18th digit is a tie, the shortest text that reads back is not the nearest one of 17 digits.
  const printed = [value.toPrecision(digits.length), String(value)].map(significantDigits);
  return printed.includes(digits) ? undefined : 'unsafe_number';
};

/** A digit other than 0 before the exponent: tells -0.0 from a tiny number that underflows. */
const hasDigit = (text: string): boolean => significantDigits(text) !== '';

/** Digits of the mantissa without sign, point, leading and trailing zeros; '' for zero. */
const significantDigits = (text: string): string => {
  const mantissa = text.split(/[eE]/, 1)[0] ?? '';
  return mantissa.replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '');
};
