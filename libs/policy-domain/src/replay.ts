import type { ApprovalDemand, Caps, Verdict } from '@exequatur/contracts';
import { VERDICTS } from '@exequatur/contracts';
import { capsContain } from '@exequatur/caps';
import { canonicalText } from '@exequatur/kernel';

/** What a policy came to on one action, as far as two of them are compared. */
export interface Outcome {
  readonly verdict: Verdict;
  readonly rule_id: string;
  readonly tier?: 'AUTO' | 'LOG';
  readonly caps?: Caps;
  readonly demand?: ApprovalDemand;
}

export const CHANGES = ['relaxed', 'tightened', 'unchanged'] as const;
export type Change = (typeof CHANGES)[number];

/**
 * How `after` differs from `before` for the one who acts. The verdict first; then what is inside caps, who is asked, what is
 * looked at afterwards. What is neither wider nor narrower in every respect counts as relaxed: somebody should look at it.
 */
export const changeBetween = (before: Outcome, after: Outcome): Change => {
  const rank = VERDICTS.indexOf(after.verdict) - VERDICTS.indexOf(before.verdict);
  if (rank !== 0) return rank < 0 ? 'relaxed' : 'tightened';
  const parts = [capsChange(before.caps ?? {}, after.caps ?? {}), demandChange(before.demand, after.demand), tierChange(before.tier, after.tier)];
  return parts.includes('relaxed') ? 'relaxed' : parts.includes('tightened') ? 'tightened' : 'unchanged';
};

const capsChange = (before: Caps, after: Caps): Change => (!capsContain(before, after) ? 'relaxed' : capsContain(after, before) ? 'unchanged' : 'tightened');

const demandChange = (before: ApprovalDemand | undefined, after: ApprovalDemand | undefined): Change => {
  if (before === undefined || after === undefined || canonicalText({ ...before }) === canonicalText({ ...after })) return 'unchanged';
  const covers = (outer: ApprovalDemand, inner: ApprovalDemand): boolean =>
    inner.stages.every((stage) => outer.stages.some((other) => other.quorum >= stage.quorum && other.roles.every((role) => stage.roles.includes(role)))) && (outer.distinct || !inner.distinct) && outer.ttl_ms <= inner.ttl_ms;
  return covers(after, before) ? 'tightened' : 'relaxed';
};

const tierChange = (before: Outcome['tier'], after: Outcome['tier']): Change => (before === after ? 'unchanged' : after === 'AUTO' ? 'relaxed' : 'tightened');

/** One recorded action under another policy. */
export interface Replayed {
  readonly action_id: string;
  readonly action_kind: string;
  readonly before: Outcome;
  readonly after: Outcome;
}

type Counts = Record<Change, number>;

export interface ReplayReport extends Counts {
  readonly total: number;
  readonly by_kind: Readonly<Record<string, Counts>>;
  /** by the rule that decides under the candidate */
  readonly by_rule: Readonly<Record<string, Counts>>;
  /** the first of those that changed */
  readonly changes: readonly (Replayed & { readonly change: Change })[];
}

/** Changes a report names one by one; the rest is counted. */
const MAX_NAMED = 200;

export interface ReplayTally {
  add(replayed: Replayed): Change;
  report(): ReplayReport;
}

const noCounts = (): Counts => ({ relaxed: 0, tightened: 0, unchanged: 0 });

/** Counts as it goes, so that a history of any length needs the room of its kinds and rules only. */
export const replayTally = (): ReplayTally => {
  const all = noCounts();
  const byKind = new Map<string, Counts>();
  const byRule = new Map<string, Counts>();
  const changes: (Replayed & { change: Change })[] = [];
  const count = (of: Map<string, Counts>, key: string, change: Change): void => {
    const counts = of.get(key) ?? noCounts();
    counts[change] += 1;
    of.set(key, counts);
  };
  return {
    add: (replayed) => {
      const change = changeBetween(replayed.before, replayed.after);
      all[change] += 1;
      count(byKind, replayed.action_kind, change);
      count(byRule, replayed.after.rule_id, change);
      if (change !== 'unchanged' && changes.length < MAX_NAMED) changes.push({ ...replayed, change });
      return change;
    },
    report: () => ({ total: all.relaxed + all.tightened + all.unchanged, ...all, by_kind: Object.fromEntries(byKind), by_rule: Object.fromEntries(byRule), changes }),
  };
};

/** The part of a ruling that is compared. */
export const outcomeOf = ({ verdict, rule_id, tier, caps, demand }: Outcome): Outcome => ({
  verdict,
  rule_id,
  ...(tier === undefined ? {} : { tier }),
  ...(caps === undefined || Object.keys(caps).length === 0 ? {} : { caps }),
  ...(demand === undefined ? {} : { demand }),
});
