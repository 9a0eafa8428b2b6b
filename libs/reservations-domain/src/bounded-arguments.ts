import { amountIn, fixedPart, isAmong } from '@exequatur/caps';
import type { ArgumentBound, Code, Grant, ReserveRequest } from '@exequatur/contracts';
import { canonicalBytes, isRefusal, readPointer, refuse, SALT_BYTES, saltedHash } from '@exequatur/kernel';
import type { Amounts, JsonValue, Refusal } from '@exequatur/kernel';

/** One use of a bounded grant: what it runs on, and what it asks for in place of the grant's amounts. */
export interface BoundedUse {
  /** this use's own hash, over the whole arguments */
  readonly argumentsHash: string;
  readonly amounts: Amounts;
}

/**
 * The arguments of one use against a bounded grant. The authority computes both hashes itself: what it records is what it saw.
 * - ARGUMENTS_MISMATCH: not stated, of another hash than stated, or with another fixed part than granted.
 * - CAP_EXCEEDED, with the pointer: a bounded value outside its bound, or of a type that is no such value.
 */
export const judgeBoundedUse = (grant: Grant, request: ReserveRequest): BoundedUse | Refusal<Code> => {
  const bounds = grant.bounded ?? [];
  const salt = request.salt === undefined ? undefined : Buffer.from(request.salt, 'base64url');
  if (request.arguments === undefined || salt?.byteLength !== SALT_BYTES || bounds.length === 0) return refuse('ARGUMENTS_MISMATCH');
  const args = request.arguments as JsonValue;
  const fixed = fixedPart(args, bounds);
  if (fixed === undefined || saltedHash(salt, canonicalBytes(fixed)) !== grant.fixed_hash) return refuse('ARGUMENTS_MISMATCH');
  const argumentsHash = saltedHash(salt, canonicalBytes(args));
  if (request.arguments_hash !== argumentsHash) return refuse('ARGUMENTS_MISMATCH');
  const amounts: Record<string, bigint> = {};
  for (const bound of bounds) {
    const asked = judgeValue(bound, readPointer(args, bound.pointer));
    if (isRefusal(asked)) return asked as Refusal<Code>;
    if (asked !== undefined) amounts[asked.unit] = (amounts[asked.unit] ?? 0n) + asked.amount;
  }
  return { argumentsHash, amounts };
};

/** The amount a value asks for, where its bound is one; undefined for one of a list. A bound that bounds nothing admits nothing. */
const judgeValue = (bound: ArgumentBound, value: JsonValue | undefined): { readonly unit: string; readonly amount: bigint } | undefined | Refusal<Code> => {
  if (bound.max !== undefined && bound.unit !== undefined) {
    const asked = amountIn(value, bound.unit);
    return asked === undefined || asked.amount > BigInt(bound.max) ? refuse('CAP_EXCEEDED', 'outside what was granted', bound.pointer) : asked;
  }
  return isAmong(value, bound.one_of ?? []) ? undefined : refuse('CAP_EXCEEDED', 'outside what was granted', bound.pointer);
};
