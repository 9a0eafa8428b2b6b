import { capsContain, intersectCaps } from '@exequatur/caps';
import type { Caps, Narrowable } from '@exequatur/contracts';
import { isRefusal, parseAmount, readPointer, refuse, replaceAtPointer } from '@exequatur/kernel';
import type { JsonValue, Refusal } from '@exequatur/kernel';
import { readAmountArgument, unitOfExtractor, writeAmountArgument } from './amount-argument.js';
import type { RequestFacts } from './request-facts.js';

/** How long a grant of a person stands when neither policy nor the person says less. */
export const GRANT_LIFETIME_MS = 15 * 60 * 1_000;
/** Uses of a grant when policy does not name a number. */
export const GRANT_USES = 1;

export interface NarrowedArguments {
  readonly granted_arguments: JsonValue;
  /** JSON pointers whose value differs from what was given */
  readonly narrowed: readonly string[];
}
type Widens = Refusal<'WIDENS_AUTHORITY'>;

const widens = (detail: string, pointer?: string): Widens => refuse('WIDENS_AUTHORITY', detail, pointer);

/**
 * The arguments inside `caps`: an amount above its cap becomes the cap, in its own type and format; of recipients those stay
 * that a cap covers. Only declared pointers are touched, only where something stands, and never upwards; so applying the
 * caps of several people one after the other gives what all of them accept.
 * WIDENS_AUTHORITY when the arguments cannot be brought inside: no recipient is left, or an amount cannot be read or written.
 */
export const narrowArguments = (proposed: JsonValue, narrowable: Narrowable, caps: Caps): NarrowedArguments | Widens => {
  let current: NarrowedArguments = { granted_arguments: proposed, narrowed: [] };
  for (const [currency, pointer] of Object.entries(narrowable.amounts ?? {})) {
    const cap = caps.max_amount?.[unitOfExtractor(currency)];
    if (cap === undefined) continue;
    const next = withAmount(current, pointer, currency, parseAmount(cap));
    if (isRefusal(next)) return next;
    current = next;
  }
  if (narrowable.recipients === undefined || caps.allowed_recipients === undefined) return current;
  return withRecipients(current, narrowable.recipients, caps.allowed_recipients);
};

const withAmount = (current: NarrowedArguments, pointer: string, currency: string, cap: bigint): NarrowedArguments | Widens => {
  const argument = readAmountArgument(readPointer(current.granted_arguments, pointer), currency);
  if (argument === undefined) return widens('the amount in the arguments cannot be read, so it cannot be capped', pointer);
  if (argument.amount <= cap) return current;
  const value = writeAmountArgument(cap, argument, currency);
  if (value === undefined) return widens('the argument cannot hold this amount exactly', pointer);
  return replaced(current, pointer, value);
};

const withRecipients = (current: NarrowedArguments, pointer: string, allowed: readonly string[]): NarrowedArguments | Widens => {
  const value = readPointer(current.granted_arguments, pointer);
  const recipients = recipientsIn(value);
  if (recipients === undefined) return widens('the recipients in the arguments cannot be read, so they cannot be capped', pointer);
  const kept = recipients.filter((recipient) => capsContain({ allowed_recipients: allowed }, { allowed_recipients: [recipient] }));
  if (kept.length === 0) return widens('none of the proposed recipients is allowed', pointer);
  return kept.length === recipients.length ? current : replaced(current, pointer, kept);
};

const replaced = (current: NarrowedArguments, pointer: string, value: JsonValue): NarrowedArguments | Widens => {
  const changed = replaceAtPointer(current.granted_arguments, pointer, value);
  if (changed === undefined) return widens('there is nothing at the declared place', pointer);
  return { granted_arguments: changed, narrowed: [...current.narrowed, pointer] };
};

/** One address or a list of addresses; anything else is not readable. */
const recipientsIn = (value: JsonValue | undefined): readonly string[] | undefined => {
  if (typeof value === 'string') return [value];
  return Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string') ? (value as readonly string[]) : undefined;
};

/** The authority that was asked for, as caps: what a person may only stay inside of. */
export const proposedCeiling = (request: RequestFacts, proposed: JsonValue): Caps => {
  const amounts = Object.fromEntries([...request.facts.amounts.map(({ unit, amount }) => [unit, amount]), ['RISK_POINTS', String(request.facts.risk_points)]]);
  const recipients = request.narrowable.recipients === undefined ? undefined : recipientsIn(readPointer(proposed, request.narrowable.recipients));
  const asked: Caps = {
    max_amount: amounts,
    expires_in_ms: request.caps?.expires_in_ms ?? GRANT_LIFETIME_MS,
    max_uses: request.caps?.max_uses ?? GRANT_USES,
    ...(recipients === undefined ? {} : { allowed_recipients: recipients }),
  };
  return intersectCaps(asked, request.caps ?? {});
};

/** What an approver may set; every other cap is policy's. */
export type VoteCaps = Pick<Caps, 'max_amount' | 'allowed_recipients' | 'expires_in_ms' | 'max_uses' | 'max_total'>;

/**
 * WIDENS_AUTHORITY unless a person's caps lie inside what was proposed on every dimension they name: no larger amount, no
 * unit the proposal does not name, no recipient beyond the proposed, no longer or more often. An amount below the proposed
 * one is refused too when no argument is declared to carry it, since the tool would still be sent the larger one. A total
 * across uses may name any unit, since naming one only takes away; below what one use holds it would grant nothing.
 */
export const checkVoteCaps = (request: RequestFacts, proposed: JsonValue, caps: VoteCaps): Widens | undefined => {
  const ceiling = proposedCeiling(request, proposed);
  if (caps.allowed_recipients !== undefined && ceiling.allowed_recipients === undefined) return widens('this tool declares no recipients that could be narrowed', '/caps/allowed_recipients');
  for (const [unit, amount] of Object.entries(caps.max_amount ?? {})) {
    const refusal = checkAmount(request.narrowable, ceiling, unit, amount);
    if (refusal !== undefined) return refusal;
  }
  for (const [unit, total] of Object.entries(caps.max_total ?? {})) {
    const refusal = checkTotal(ceiling, caps, unit, total);
    if (refusal !== undefined) return refusal;
  }
  for (const dimension of ['allowed_recipients', 'expires_in_ms', 'max_uses'] as const) {
    if (caps[dimension] !== undefined && !capsContain({ [dimension]: ceiling[dimension] }, { [dimension]: caps[dimension] })) {
      return widens('this allows more than was proposed', `/caps/${dimension}`);
    }
  }
  if (caps.allowed_recipients?.length === 0 || caps.max_uses === 0 || caps.expires_in_ms === 0) return widens('a grant of nothing is a rejection');
  return undefined;
};

const checkAmount = (narrowable: Narrowable, ceiling: Caps, unit: string, amount: string): Widens | undefined => {
  const pointer = `/caps/max_amount/${unit}`;
  const asked = ceiling.max_amount?.[unit];
  if (asked === undefined) return widens(`the proposal names no amount in ${unit}`, pointer);
  if (!capsContain({ max_amount: { [unit]: asked } }, { max_amount: { [unit]: amount } })) return widens('this allows more than was proposed', pointer);
  const declared = Object.keys(narrowable.amounts ?? {}).some((currency) => unitOfExtractor(currency) === unit);
  return declared || asked === amount ? undefined : widens(`no argument is declared to carry ${unit}, so it cannot be made smaller`, pointer);
};

const checkTotal = (ceiling: Caps, caps: VoteCaps, unit: string, total: string): Widens | undefined => {
  const pointer = `/caps/max_total/${unit}`;
  const most = ceiling.max_total?.[unit];
  if (most !== undefined && !capsContain({ max_total: { [unit]: most } }, { max_total: { [unit]: total } })) return widens('this allows more than was proposed', pointer);
  const oneUse = intersectCaps({ max_amount: ceiling.max_amount ?? {} }, { max_amount: caps.max_amount ?? {} }).max_amount?.[unit];
  return oneUse !== undefined && parseAmount(total) < parseAmount(oneUse) ? widens('a grant of nothing is a rejection: one use holds more', pointer) : undefined;
};

/** Pointers, of those declared, at which two versions of the arguments differ. */
export const narrowedPointers = (narrowable: Narrowable, proposed: JsonValue, granted: JsonValue): readonly string[] =>
  [...Object.values(narrowable.amounts ?? {}), ...(narrowable.recipients === undefined ? [] : [narrowable.recipients])].filter(
    (pointer) => JSON.stringify(readPointer(proposed, pointer)) !== JSON.stringify(readPointer(granted, pointer)),
  );
