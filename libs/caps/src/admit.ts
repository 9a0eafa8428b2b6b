import type { Caps } from '@exequatur/contracts';
import { AmountError, parseAmount, pointerText, refuse } from '@exequatur/kernel';
import type { Amounts, Refusal } from '@exequatur/kernel';
import { LISTS } from './dimensions.js';
import type { AmountDimension, CapDimension, ListDimension } from './dimensions.js';

/**
 * What is known of one action. Leave out what is not known: where caps bound it, that is a refusal. `[]` means there are
 * none and passes.
 */
export interface ActionFacts {
  readonly amounts?: Amounts;
  readonly recipients?: readonly string[];
  readonly environment?: string;
  readonly tool?: string;
  readonly model?: string;
  readonly rows?: number;
  /** `host` or `host:port` */
  readonly hosts?: readonly string[];
  readonly runtime_sec?: number;
  /** whole numbers by the name of a tenant's own fact */
  readonly own?: Amounts;
}

/** Known before an action may start: judged when authority is reserved. */
export const AUTHORITY_DIMENSIONS = ['max_amount', 'max_total', 'allowed_recipients', 'environments', 'tools', 'models', 'row_limit', 'own'] as const satisfies readonly CapDimension[];
/** Known to whoever executes: judged right before the effect, and while it runs. */
export const EXECUTION_DIMENSIONS = ['network_allowlist', 'max_runtime_sec'] as const satisfies readonly CapDimension[];
const ALL_DIMENSIONS: readonly CapDimension[] = [...AUTHORITY_DIMENSIONS, ...EXECUTION_DIMENSIONS];

/**
 * CAP_EXCEEDED for the first bounded dimension that the facts exceed or do not state, else undefined. `pointer` names the
 * field of caps. `expires_in_ms` and `max_uses` are limits of a grant, not of an action, and are not judged here; of
 * `max_total` only that no single action is above it.
 * @param dimensions which fields to judge, for callers that know only some of the facts; all by default
 */
export const capsAdmit = (caps: Caps, facts: ActionFacts, dimensions: readonly CapDimension[] = ALL_DIMENSIONS): Refusal<'CAP_EXCEEDED'> | undefined => {
  for (const dimension of dimensions) {
    const refusal = judge(dimension, caps, facts);
    if (refusal !== undefined) return refusal;
  }
  return undefined;
};

const judge = (dimension: CapDimension, caps: Caps, facts: ActionFacts): Refusal<'CAP_EXCEEDED'> | undefined => {
  switch (dimension) {
    case 'max_amount':
      return judgeAmounts(dimension, caps.max_amount, facts.amounts);
    case 'max_total':
      return caps.max_total && judgeAmounts(dimension, caps.max_total, { ...noneOf(caps.max_total), ...facts.amounts });
    case 'own':
      return judgeAmounts(dimension, caps.own, facts.own);
    case 'allowed_recipients':
      return judgeList(dimension, caps, facts.recipients);
    case 'network_allowlist':
      return judgeList(dimension, caps, facts.hosts);
    case 'environments':
      return judgeList(dimension, caps, one(facts.environment));
    case 'tools':
      return judgeList(dimension, caps, one(facts.tool));
    case 'models':
      return judgeList(dimension, caps, one(facts.model));
    case 'row_limit':
      return judgeNumber(dimension, caps.row_limit, facts.rows);
    case 'max_runtime_sec':
      return judgeNumber(dimension, caps.max_runtime_sec, facts.runtime_sec);
    case 'expires_in_ms':
    case 'max_uses':
      return undefined;
  }
};

const one = (fact: string | undefined): readonly string[] | undefined => (fact === undefined ? undefined : [fact]);

const exceeded = (why: string, ...steps: readonly string[]): Refusal<'CAP_EXCEEDED'> => refuse('CAP_EXCEEDED', why, pointerText(steps));

const judgeNumber = (dimension: CapDimension, limit: number | undefined, fact: number | undefined): Refusal<'CAP_EXCEEDED'> | undefined => {
  if (limit === undefined) return undefined;
  if (fact === undefined) return exceeded('the caps bound a value that is not known', dimension);
  return fact <= limit ? undefined : exceeded(`the value is above the cap of ${limit}`, dimension);
};

const judgeList = (dimension: ListDimension, caps: Caps, facts: readonly string[] | undefined): Refusal<'CAP_EXCEEDED'> | undefined => {
  const allowed = caps[dimension];
  if (allowed === undefined) return undefined;
  if (facts === undefined) return exceeded('the caps bound a value that is not known', dimension);
  const kind = LISTS[dimension];
  const admitted = facts.every((fact) => kind.isConcrete(fact) && allowed.some((entry) => kind.covers(entry, fact)));
  return admitted ? undefined : exceeded('a value is not among those the caps allow', dimension);
};

const judgeAmounts = (dimension: AmountDimension, limits: Caps['max_amount'], amounts: Amounts | undefined): Refusal<'CAP_EXCEEDED'> | undefined => {
  for (const [unit, limit] of Object.entries(limits ?? {})) {
    const amount = amounts !== undefined && Object.hasOwn(amounts, unit) ? amounts[unit] : undefined;
    if (amount === undefined) return exceeded('the caps bound an amount that is not known', dimension, unit);
    if (amount < 0n || !(amount <= limitOf(limit))) return exceeded(`the amount is above the cap of ${limit} ${unit}`, dimension, unit);
  }
  return undefined;
};

/** A unit that an action does not name adds nothing to a total. */
const noneOf = (limits: NonNullable<Caps['max_total']>): Amounts => Object.fromEntries(Object.keys(limits).map((unit) => [unit, 0n]));

/** A limit that cannot be read allows nothing, not even 0. */
const limitOf = (text: string): bigint => {
  try {
    return parseAmount(text);
  } catch (error) {
    if (error instanceof AmountError) return -1n;
    throw error;
  }
};
