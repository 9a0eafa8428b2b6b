import type { ArgumentBound, UnitAmount } from '@exequatur/contracts';
import { AmountError, canonicalBytes, decimalToUnit, readPointer, replaceAtPointer, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';

/** What a grant binds whose arguments may differ from use to use (contracts.md "Grant", binding bounded). */
export interface BoundArguments {
  readonly fixed_hash: string;
  readonly bounded: readonly ArgumentBound[];
}

/** The arguments with null at every bounded pointer: what all uses of a bounded grant share. Undefined when one is missing. */
export const fixedPart = (args: JsonValue, bounds: readonly ArgumentBound[]): JsonValue | undefined => {
  let fixed: JsonValue | undefined = args;
  for (const { pointer } of bounds) {
    if (fixed === undefined) return undefined;
    fixed = replaceAtPointer(fixed, pointer, null);
  }
  return fixed;
};

/** `fixed_hash` of contracts.md "Grant". @throws Error when a pointer names nothing */
export const fixedHashOf = (salt: Uint8Array, args: JsonValue, bounds: readonly ArgumentBound[]): string => {
  const fixed = fixedPart(args, bounds);
  if (fixed === undefined) throw new Error('a bounded pointer names nothing in the arguments');
  return saltedHash(salt, canonicalBytes(fixed));
};

/**
 * Bounds from the arguments that are granted: an amount may be as large as it is there, a text any of the listed ones. What
 * cannot be read so, or is no such amount of the grant (the ledger would hold another one), stays as it is; undefined when
 * all does. Never more than granted: the granted arguments themselves lie inside.
 * @param varies which arguments may differ; `max` is not read
 * @param amounts what one use of the grant holds, by unit
 */
export const boundArguments = (args: JsonValue, salt: Uint8Array, varies: readonly ArgumentBound[], amounts: readonly UnitAmount[]): BoundArguments | undefined => {
  const bounded = varies.flatMap((variation) => boundOf(variation, readPointer(args, variation.pointer), amounts) ?? []);
  const fixed = bounded.length === 0 ? undefined : fixedPart(args, bounded);
  return fixed === undefined ? undefined : { fixed_hash: saltedHash(salt, canonicalBytes(fixed)), bounded };
};

const boundOf = ({ pointer, unit, one_of }: ArgumentBound, value: JsonValue | undefined, amounts: readonly UnitAmount[]): ArgumentBound | undefined => {
  if (unit !== undefined) {
    const granted = amountIn(value, unit);
    return granted !== undefined && amounts.some((held) => held.unit === granted.unit && BigInt(held.amount) === granted.amount) ? { pointer, unit, max: granted.amount.toString() } : undefined;
  }
  return one_of !== undefined && isAmong(value, one_of) ? { pointer, one_of } : undefined;
};

/** A text, or a list of texts, all of them listed. */
export const isAmong = (value: JsonValue | undefined, listed: readonly string[]): boolean => {
  const named = Array.isArray(value) ? (value as readonly JsonValue[]) : [value];
  return named.length > 0 && named.every((one) => typeof one === 'string' && listed.includes(one));
};

/** Numbers and decimal text; a number that JavaScript would write with an exponent is refused with the rest. */
export const amountIn = (value: JsonValue | undefined, unit: string): { readonly unit: string; readonly amount: bigint } | undefined => {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  try {
    return decimalToUnit(String(value), unit);
  } catch (error) {
    if (error instanceof AmountError) return undefined;
    throw error;
  }
};
