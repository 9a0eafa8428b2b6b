/** Why a number is refused; undefined when it may stand. */
export type NumberFault = 'unsafe_number' | 'negative_zero';

/** From here on RFC 8785 writes an exponent, so no reader takes the canonical text for an exact integer. */
const EXPONENT_FROM = 1e21;

/**
 * Judges a number by its text (contracts.md "Canonical form"): text → double → text must keep its value, so that no two
 * different numbers get one canonical text and one hash.
 * - `-0` in any spelling is `negative_zero`: it would hash as 0.
 * - An integer written without exponent, or whose canonical text has none, must lie within ±(2^53 − 1).
 * - The shortest text of the double, which is the canonical one, must have the digits of the text read. This refuses
 *   1e400 (infinite), 1e-400 (zero), 0.1000000000000000001 (reads as 0.1) and 9007199254740993.0 (reads as …992).
 * @param text a number in the grammar of RFC 8259 section 6
 * @param value Number(text)
 */
export const numberFault = (text: string, value: number): NumberFault | undefined => {
  // Small counts, nearly all numbers there are. 0 itself goes on: -0 must be told from it.
  if (Number.isSafeInteger(value) && value !== 0 && String(value) === text) return undefined;
  const digits = significantDigits(text);
  if (digits === '') return text.startsWith('-') ? 'negative_zero' : undefined;
  if (!Number.isFinite(value)) return 'unsafe_number';
  const plainInteger = /^-?\d+$/.test(text);
  if (Number.isInteger(value) && !Number.isSafeInteger(value) && (plainInteger || Math.abs(value) < EXPONENT_FROM)) return 'unsafe_number';
  return significantDigits(String(value)) === digits ? undefined : 'unsafe_number';
};

/** Digits of the mantissa without sign, point, leading and trailing zeros; '' for zero. */
const significantDigits = (text: string): string => {
  const mantissa = text.split(/[eE]/, 1)[0] ?? '';
  return mantissa.replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '');
};
