import type { VelocityRule } from '@exequatur/contracts';
import type { Amounts } from '@exequatur/kernel';
import { matchesAny } from './name-pattern.js';

/**
 * A window is counted in tenths. A claim counts until the last tenth it can lie in has left the window, so in any window of the
 * rule's length there are never more than it allows, and a claim is forgotten at most a tenth of a window late.
 */
export const SLICES = 10;

/** One row: what one rule has counted for one subject in one slice of time. Released and unknown claims count too. */
export interface VelocityCounter {
  readonly ruleId: string;
  readonly subject: string;
  /** Unix ms, a multiple of the slice */
  readonly sliceStartMs: number;
  readonly count: number;
  readonly amount: bigint;
}

export interface VelocitySubject {
  readonly agent: string;
  readonly actionKind: string;
  /** the target under the tenant's key; claims without one count as one target */
  readonly targetKey: string | undefined;
}

/** Rows a claim needs, by rule: load those from `fromMs` on, under their lock. */
export interface VelocityKey {
  readonly ruleId: string;
  readonly subject: string;
  /** the oldest slice that still counts; rows before it may be deleted */
  readonly fromMs: number;
}

const sliceMsOf = ({ window_ms }: VelocityRule): number => Math.max(1, Math.ceil(window_ms / SLICES));
const sliceStart = (rule: VelocityRule, nowMs: number): number => nowMs - (((nowMs % sliceMsOf(rule)) + sliceMsOf(rule)) % sliceMsOf(rule));
const oldestSlice = (rule: VelocityRule, nowMs: number): number => sliceStart(rule, nowMs) - SLICES * sliceMsOf(rule);

const applies = (rule: VelocityRule, { agent, actionKind }: VelocitySubject): boolean => matchesAny(rule.kinds, actionKind) && matchesAny(rule.agents, agent);

/** JSON, so that no two lists of names read the same. */
const subjectText = (rule: VelocityRule, { agent, actionKind, targetKey }: VelocitySubject): string =>
  JSON.stringify(rule.by.map((by) => (by === 'agent' ? agent : by === 'kind' ? actionKind : (targetKey ?? ''))));

/** Each rule with the subjects it counts this claim for: a claim of a child counts for every agent behind it, once a subject. */
const counted = (rule: VelocityRule, subjects: readonly VelocitySubject[]): readonly string[] => {
  const keys: string[] = [];
  for (const subject of subjects) {
    if (!applies(rule, subject)) continue;
    const key = subjectText(rule, subject);
    if (!keys.includes(key)) keys.push(key);
  }
  return keys;
};

/** In the order of the rules; a claim that no rule counts needs nothing. */
export const velocityKeysOf = (rules: readonly VelocityRule[], subjects: readonly VelocitySubject[], nowMs: number): readonly VelocityKey[] => {
  const keys: VelocityKey[] = [];
  for (const rule of rules) for (const subject of counted(rule, subjects)) keys.push({ ruleId: rule.id, subject, fromMs: oldestSlice(rule, nowMs) });
  return keys;
};

export interface VelocityExceeded {
  readonly ruleId: string;
  /** after which a claim of this size would be allowed, if nothing else is claimed; absent when it never would */
  readonly retryAfterMs?: number;
}

/**
 * Counts a claim under every rule that applies: the rows as they will be, or the first rule that refuses. The clock may be
 * behind rows that are there; they count all the same.
 * @param counters rows of the keys, in any order; what is missing is 0
 */
export const countVelocity = (rules: readonly VelocityRule[], subjects: readonly VelocitySubject[], amounts: Amounts, counters: readonly VelocityCounter[], nowMs: number): readonly VelocityCounter[] | VelocityExceeded => {
  const after: VelocityCounter[] = [];
  for (const rule of rules) {
    const amount = rule.max_amount === undefined ? 0n : (amounts[rule.max_amount.unit] ?? 0n);
    const start = sliceStart(rule, nowMs);
    const from = oldestSlice(rule, nowMs);
    for (const subject of counted(rule, subjects)) {
      const standing = counters.filter((row) => row.ruleId === rule.id && row.subject === subject && row.sliceStartMs >= from);
      const free = freeAt(rule, standing, amount);
      if (free !== 'now') return { ruleId: rule.id, ...(free === 'never' ? {} : { retryAfterMs: Math.max(1, free - nowMs) }) };
      const here = standing.find(({ sliceStartMs }) => sliceStartMs === start);
      after.push({ ruleId: rule.id, subject, sliceStartMs: start, count: (here?.count ?? 0) + 1, amount: (here?.amount ?? 0n) + amount });
    }
  }
  return after;
};

/** When one more of `amount` fits: as slices leave the window, oldest first. */
const freeAt = (rule: VelocityRule, standing: readonly VelocityCounter[], amount: bigint): 'now' | 'never' | number => {
  const mostCount = rule.max_count ?? Number.MAX_SAFE_INTEGER;
  const mostAmount = rule.max_amount === undefined ? undefined : BigInt(rule.max_amount.amount);
  if (mostCount < 1 || (mostAmount !== undefined && amount > mostAmount)) return 'never';
  let count = 1;
  let sum = amount;
  for (const row of standing) {
    count += row.count;
    sum += row.amount;
  }
  const fits = (): boolean => count <= mostCount && (mostAmount === undefined || sum <= mostAmount);
  if (fits()) return 'now';
  for (const row of [...standing].sort((a, b) => a.sliceStartMs - b.sliceStartMs)) {
    count -= row.count;
    sum -= row.amount;
    if (fits()) return row.sliceStartMs + (SLICES + 1) * sliceMsOf(rule);
  }
  return 'never';
};

export const isVelocityExceeded = (counted: readonly VelocityCounter[] | VelocityExceeded): counted is VelocityExceeded => 'ruleId' in counted;
