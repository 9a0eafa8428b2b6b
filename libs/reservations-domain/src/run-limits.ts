import type { RunLimit, RunLimits } from '@exequatur/contracts';
import { derivedId } from '@exequatur/kernel';
import type { Amounts } from '@exequatur/kernel';
import { holdOn } from './budget.js';
import type { Budget, Hold } from './budget.js';

/**
 * One run of one agent, as the authority knows it. `startedAtMs`: when its first claim under run limits was made; undefined
 * before that. `budgets`: its rows by limit; a limit without a row begins with this claim.
 */
export interface RunNow {
  readonly startedAtMs: number | undefined;
  readonly budgets: readonly Budget[];
}

/** @param startedAtMs of the run's first claim: an id that is used again long after its run was forgotten has other budgets */
export const runBudgetIdOf = (tenant: string, agent: string, runId: string, limit: RunLimit, startedAtMs: number): string => derivedId('run-budget', tenant, agent, runId, limit, String(startedAtMs));

const PLAIN_SEGMENT = /^(?!x-)[A-Za-z0-9._-]{1,128}$/;
/** Names may hold `:`, `@` and `+`, segments of a path may not: those are told apart by a derived id. */
const segment = (name: string): string => (PLAIN_SEGMENT.test(name) ? name : `x-${derivedId('segment', name)}`);

/** Where the limits of a run stand: beside every workspace, since one run may act in several. Two agents never share a run. */
export const runScopePath = (tenant: string, agent: string, runId: string): string => `tenant:${tenant}/agent:${segment(agent)}/run:${segment(runId)}`;

const UNITS = { max_steps: 'STEPS', max_tool_calls: 'CALLS', max_usd: 'USD_MICROCENTS' } as const;
type CountedLimit = keyof typeof UNITS;
const COUNTED: readonly CountedLimit[] = ['max_steps', 'max_tool_calls', 'max_usd'];

const capOf = (limits: RunLimits, limit: CountedLimit): bigint | undefined => {
  const most = limits[limit];
  return most === undefined ? undefined : BigInt(most);
};

/** Every claim is one step and one tool call of its run, unless it says how many. */
const amountOf = (limit: CountedLimit, amounts: Amounts): bigint => amounts[UNITS[limit]] ?? (limit === 'max_usd' ? 0n : 1n);

export interface RunCharge {
  readonly before: Budget;
  readonly budget: Budget;
  readonly hold: Hold;
}

/**
 * Charges a run's limits: all, or the first that refuses. A run's budgets need no definition: the first claim of the run makes
 * them, with the caps of the policy in force, and a newer policy's caps apply to the next claim.
 * `max_seconds` is no budget but a time: so long after its first claim a run gets no further one.
 */
export const chargeRun = (
  limits: RunLimits,
  run: RunNow,
  { tenant, agent, runId, nowMs, amounts }: { readonly tenant: string; readonly agent: string; readonly runId: string; readonly nowMs: number; readonly amounts: Amounts },
): readonly RunCharge[] | RunLimit => {
  if (limits.max_seconds !== undefined && run.startedAtMs !== undefined && nowMs - run.startedAtMs >= limits.max_seconds * 1_000) return 'max_seconds';
  if (limits.max_seconds === 0) return 'max_seconds';
  const charges: RunCharge[] = [];
  for (const limit of COUNTED) {
    const cap = capOf(limits, limit);
    const amount = amountOf(limit, amounts);
    if (cap === undefined || amount === 0n) continue;
    const known = run.budgets.find(({ runLimit }) => runLimit === limit);
    const before = known === undefined ? newRunBudget(tenant, agent, runId, limit, cap, run.startedAtMs ?? nowMs) : known.cap === cap ? known : { ...known, cap };
    const budget = holdOn(before, amount);
    if (budget === undefined) return limit;
    charges.push({ before, budget, hold: { budgetId: before.budgetId, unit: before.unit, amount } });
  }
  return charges;
};

const newRunBudget = (tenant: string, agent: string, runId: string, limit: CountedLimit, cap: bigint, startedAtMs: number): Budget => ({
  budgetId: runBudgetIdOf(tenant, agent, runId, limit, startedAtMs),
  scopePath: runScopePath(tenant, agent, runId),
  unit: UNITS[limit],
  cap,
  held: 0n,
  committed: 0n,
  entryNo: 0,
  window: 'run',
  runLimit: limit,
});

/** The budget a move with `run_limit` made or moved: what a replay knows of it. */
export const runBudgetOfMove = (move: { readonly budget_id: string; readonly unit: string; readonly cap: string; readonly run_limit?: RunLimit }, scopePath: string): Budget => ({
  budgetId: move.budget_id,
  scopePath,
  unit: move.unit,
  cap: BigInt(move.cap),
  held: 0n,
  committed: 0n,
  entryNo: 0,
  window: 'run',
  ...(move.run_limit === undefined ? {} : { runLimit: move.run_limit }),
});
