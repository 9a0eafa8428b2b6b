import type { DelegatedAuthority } from '@exequatur/contracts';
import { fromInstant, parseAmount } from '@exequatur/kernel';
import { capsContain } from './contain.js';

/** In the order they are judged. */
export const AUTHORITY_PARTS = ['scope_path', 'kinds', 'tools', 'targets', 'caps', 'max_uses', 'total_points', 'total_amounts', 'expires_at'] as const;
export type AuthorityPart = (typeof AUTHORITY_PARTS)[number];

/**
 * The first part in which `inner` reaches further than `outer`, or undefined when whatever inner admits, outer admits too.
 * An absent part is unbounded: an inner that does not bound what outer bounds is wider. Used for delegating, and wherever
 * else authority is handed down.
 */
export const widerPart = (outer: DelegatedAuthority, inner: DelegatedAuthority): AuthorityPart | undefined => AUTHORITY_PARTS.find((part) => !WITHIN[part](outer, inner));

export const authorityContains = (outer: DelegatedAuthority, inner: DelegatedAuthority): boolean => widerPart(outer, inner) === undefined;

type Within = (outer: DelegatedAuthority, inner: DelegatedAuthority) => boolean;

const atMost = (most: number | undefined, actual: number | undefined): boolean => most === undefined || (actual !== undefined && actual <= most);
const among = (allowed: readonly string[] | undefined, named: readonly string[] | undefined, covers: (one: string, name: string) => boolean): boolean =>
  allowed === undefined || (named !== undefined && named.every((name) => allowed.some((one) => covers(one, name))));
const same = (one: string, name: string): boolean => one === name;

/** `name` covers each of its versions; a version covers itself. */
export const toolCovers = (outer: string, inner: string): boolean => outer === inner || (!outer.includes('@') && inner.startsWith(`${outer}@`));

/** By whole segments. */
export const scopeCovers = (outer: string, inner: string): boolean => inner === outer || inner.startsWith(`${outer}/`);

const WITHIN: Readonly<Record<AuthorityPart, Within>> = {
  scope_path: (outer, inner) => scopeCovers(outer.scope_path, inner.scope_path),
  kinds: (outer, inner) => among(outer.kinds, inner.kinds, same),
  tools: (outer, inner) => among(outer.tools, inner.tools, toolCovers),
  targets: (outer, inner) => among(outer.targets, inner.targets, same),
  caps: (outer, inner) => capsContain(outer.caps, inner.caps),
  max_uses: (outer, inner) => atMost(outer.max_uses, inner.max_uses),
  total_points: (outer, inner) => atMost(outer.total_points, inner.total_points),
  total_amounts: (outer, inner) => {
    const limits = outer.total_amounts;
    if (limits === undefined) return true;
    return limits.every(({ unit }) => {
      const amount = least(inner.total_amounts, unit);
      return amount !== undefined && amount <= (least(limits, unit) ?? 0n);
    });
  },
  expires_at: (outer, inner) => fromInstant(inner.expires_at) <= fromInstant(outer.expires_at),
};

/** A unit named twice is bound by the smaller. */
const least = (amounts: DelegatedAuthority['total_amounts'], unit: string): bigint | undefined =>
  amounts?.reduce<bigint | undefined>((smallest, each) => (each.unit !== unit || (smallest !== undefined && smallest <= parseAmount(each.amount)) ? smallest : parseAmount(each.amount)), undefined);
