import type { Caps } from '@exequatur/contracts';
import { exactText, hostPattern, recipientPattern } from './pattern.js';
import type { PatternKind } from './pattern.js';

/** Every field of Caps by how it narrows. The `satisfies` below fails to compile when contracts gains a field unknown here. */
export const NUMBERS = ['max_runtime_sec', 'row_limit', 'expires_in_ms', 'max_uses'] as const;
export type NumberDimension = (typeof NUMBERS)[number];

export const LISTS = {
  network_allowlist: hostPattern,
  allowed_recipients: recipientPattern,
  environments: exactText,
  tools: exactText,
  models: exactText,
} as const satisfies Readonly<Partial<Record<keyof Caps, PatternKind>>>;
export type ListDimension = keyof typeof LISTS;
export const LIST_NAMES = Object.keys(LISTS) as ListDimension[];

/** Amounts by a name: of a unit (of one use, of all uses of a grant), or of a fact that the tenant named itself. */
export const AMOUNTS = ['max_amount', 'max_total', 'own'] as const;
export type AmountDimension = (typeof AMOUNTS)[number];

export type CapDimension = NumberDimension | ListDimension | AmountDimension;

/** Compiles only while the dimensions above are exactly the fields of Caps. */
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : never) : never;
export const everyFieldIsADimension: Same<CapDimension, keyof Caps> = true;
