import { isMismatch } from './fold-fact.js';
import type { ActionFact } from './fold-fact.js';

/** Definitions with their formulas: docs/reference/workflow-metrics.md. Rates are null where nothing was counted. */
export interface WorkflowMetrics {
  readonly actions: number;
  readonly volume_by_kind: Readonly<Record<string, number>>;
  readonly verdicts: Readonly<Record<string, number>>;
  readonly approval_to_execution_rate: number | null;
  readonly denied_after_approval: number;
  readonly stale_expiries: number;
  readonly edit_rate: number | null;
  readonly override_rate: number | null;
  readonly duplicate_execution_attempts: number;
  readonly approval_to_commit_mismatches: number;
  readonly risk_points_approved: number;
  readonly median_seconds_to_decision: number | null;
  readonly rejection_reasons: Readonly<Record<string, number>>;
  readonly timeout_spike: { readonly last_hour: number; readonly hourly_mean_before: number; readonly alert: boolean };
  readonly drift: readonly AgentDrift[];
}

export interface AgentDrift {
  readonly agent: string;
  readonly actions: number;
  readonly baseline_actions: number;
  /** population stability index of the distribution over kinds */
  readonly psi: number;
  readonly alert: boolean;
}

export interface MetricsInput {
  /** proposed in the period */
  readonly facts: readonly ActionFact[];
  /** proposed in the baseline before it */
  readonly baseline: readonly ActionFact[];
  /** end of the period, Unix ms */
  readonly toMs: number;
  readonly fromMs: number;
}

export const DRIFT = { alertAbove: 0.25, leastActions: 50, smoothing: 0.5 } as const;
export const SPIKE = { least: 5, factor: 3 } as const;
const HOUR_MS = 3_600_000;

const counted = <T>(of: readonly T[], nameOf: (each: T) => string | undefined): Readonly<Record<string, number>> => {
  const counts = new Map<string, number>();
  for (const each of of) {
    const name = nameOf(each);
    if (name !== undefined) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Object.fromEntries([...counts].sort(([a], [b]) => (a < b ? -1 : 1)));
};

const rate = (part: number, whole: number): number | null => (whole === 0 ? null : part / whole);
const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0);

const median = (numbers: readonly number[]): number | null => {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length === 0) return null;
  return sorted.length % 2 === 1 ? (sorted[Math.floor(middle)] as number) : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
};

export const computeMetrics = ({ facts, baseline, fromMs, toMs }: MetricsInput): WorkflowMetrics => {
  const granted = facts.filter(({ decision }) => decision === 'granted');
  const byPeople = facts.filter(({ decision }) => decision === 'granted' || decision === 'rejected' || decision === 'answered');
  const changed = granted.filter(({ changed: otherwise }) => otherwise === true);
  const times = byPeople.flatMap(({ openedAt, decidedAt }) => (openedAt === undefined || decidedAt === undefined ? [] : [(Date.parse(decidedAt) - Date.parse(openedAt)) / 1_000]));
  return {
    actions: facts.length,
    volume_by_kind: counted(facts, ({ kind }) => kind),
    verdicts: counted(facts, ({ verdict }) => verdict),
    approval_to_execution_rate: rate(granted.filter(({ executed }) => executed === true).length, granted.length),
    denied_after_approval: sum(facts.map(({ refusedAfterApproval }) => refusedAfterApproval ?? 0)),
    stale_expiries: facts.filter(({ decision }) => decision === 'expired').length,
    edit_rate: rate(changed.length, granted.length),
    override_rate: rate(byPeople.length - granted.length + changed.length, byPeople.length),
    duplicate_execution_attempts: sum(facts.map(({ duplicateAttempts }) => duplicateAttempts ?? 0)),
    approval_to_commit_mismatches: facts.filter(isMismatch).length,
    risk_points_approved: sum(granted.map(({ riskPoints }) => riskPoints ?? 0)),
    median_seconds_to_decision: median(times),
    rejection_reasons: counted(facts, ({ rejectionReason }) => rejectionReason),
    timeout_spike: spikeOf(facts, fromMs, toMs),
    drift: driftOf(facts, baseline),
  };
};

const spikeOf = (facts: readonly ActionFact[], fromMs: number, toMs: number): WorkflowMetrics['timeout_spike'] => {
  const timeouts = facts.filter(({ decision }) => decision === 'expired').map(({ decidedAt }) => Date.parse(decidedAt ?? ''));
  const lastHour = timeouts.filter((at) => at >= toMs - HOUR_MS && at < toMs).length;
  const hoursBefore = Math.max(1, (toMs - fromMs) / HOUR_MS - 1);
  const mean = timeouts.filter((at) => at >= fromMs && at < toMs - HOUR_MS).length / hoursBefore;
  return { last_hour: lastHour, hourly_mean_before: mean, alert: lastHour >= SPIKE.least && lastHour > SPIKE.factor * mean };
};

/** Σ (p − q) · ln(p / q) over the kinds of either period; half an action is added to each count, so that a new kind is finite. */
export const stabilityIndex = (now: Readonly<Record<string, number>>, before: Readonly<Record<string, number>>): number => {
  const kinds = [...new Set([...Object.keys(now), ...Object.keys(before)])];
  const total = (counts: Readonly<Record<string, number>>): number => sum(Object.values(counts)) + DRIFT.smoothing * kinds.length;
  const share = (counts: Readonly<Record<string, number>>, kind: string): number => ((counts[kind] ?? 0) + DRIFT.smoothing) / total(counts);
  return sum(kinds.map((kind) => (share(now, kind) - share(before, kind)) * Math.log(share(now, kind) / share(before, kind))));
};

const driftOf = (facts: readonly ActionFact[], baseline: readonly ActionFact[]): readonly AgentDrift[] => {
  const agents = [...new Set(facts.flatMap(({ agent }) => agent ?? []))].sort();
  return agents.map((agent) => {
    const [now, before] = [facts, baseline].map((period) => period.filter((fact) => fact.agent === agent)) as [ActionFact[], ActionFact[]];
    const psi = before.length === 0 ? 0 : stabilityIndex(counted(now, ({ kind }) => kind), counted(before, ({ kind }) => kind));
    return { agent, actions: now.length, baseline_actions: before.length, psi, alert: psi > DRIFT.alertAbove && now.length >= DRIFT.leastActions && before.length >= DRIFT.leastActions };
  });
};
