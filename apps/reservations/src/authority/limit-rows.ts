import type { Grant, PolicyLimits, RunLimits, VelocityRule } from '@exequatur/contracts';
import { pipelined } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { runScopePath, velocityKeysOf, velocitySubjects } from '@exequatur/reservations-domain';
import type { DelegationChain, RunNow, VelocityCounter, VelocitySubject } from '@exequatur/reservations-domain';
import type { ReserveAsked } from './authority-command.js';
import { addRunBudgets, lockRunBudgets, removeRunBudgets, runBudgetsAt } from './budget-rows.js';
import type { BudgetNeeds, BudgetRow, LockedBudgets } from './budget-rows.js';
import { lockRuns, runKey } from './run-rows.js';
import type { LockedRun, RunRef } from './run-rows.js';
import { countedOn, lockVelocity, velocityKey } from './velocity-rows.js';
import type { LockedVelocity, VelocityRef } from './velocity-rows.js';

/** What the limits of a policy are judged on: runs, their budgets, velocity counters. Most batches need none of it. */
export interface LimitNeeds {
  readonly runs: Map<string, RunRef>;
  readonly velocity: Map<string, VelocityRef>;
  /** claims to be settled that may hold on limits of runs */
  readonly settled: BudgetNeeds['heldBy'][number][];
}

export interface LockedLimits {
  readonly runs: Map<string, LockedRun>;
  readonly velocity: Map<string, LockedVelocity>;
}

export interface LimitRows {
  readonly runs: readonly LockedRun[];
  readonly budgets: readonly BudgetRow[];
  readonly velocity: readonly LockedVelocity[];
}

export const noLimits = (): LockedLimits => ({ runs: new Map(), velocity: new Map() });
export const noLimitNeeds = (): LimitNeeds => ({ runs: new Map(), velocity: new Map(), settled: [] });
export const needsNothing = ({ runs, velocity, settled }: LimitNeeds): boolean => runs.size === 0 && velocity.size === 0 && settled.length === 0;

/** A child works in its parent's run: one limit for all of them. */
export const runOf = (tenant: string, runId: string, agent: string, chain: DelegationChain | undefined): RunRef => ({ tenant, agent: chain?.at(-1)?.fromAgent ?? agent, runId });

export const needRun = ({ runs }: LimitNeeds, run: RunRef): void => void runs.set(runKey(run), run);

export const needVelocity = ({ velocity }: LimitNeeds, tenant: string, rules: readonly VelocityRule[], subjects: readonly VelocitySubject[]): void => {
  // Which rows these are does not depend on the time.
  for (const { ruleId, subject } of velocityKeysOf(rules, subjects, 0)) velocity.set(velocityKey(tenant, ruleId, subject), { tenant, ruleId, subject });
};

/** What a claim needs under limits, by the claims of its grant and the delegations it is made under. */
export const needClaim = (needs: LimitNeeds, { tenant, request }: ReserveAsked, limits: PolicyLimits, grant: Grant, chain: DelegationChain | undefined): void => {
  if (limits.run !== undefined) needRun(needs, runOf(tenant, request.run_id, grant.agent_identity, chain));
  if (limits.velocity !== undefined) needVelocity(needs, tenant, limits.velocity, velocitySubjects(grant, chain));
};

const sorted = <T>(wanted: ReadonlyMap<string, T>): readonly T[] => [...wanted].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, ref]) => ref);

/** Locks in this order: runs, their budgets, counters; each kind in the order of its keys, behind every other budget. */
export const lockLimits = async (tx: PgTransaction, needs: LimitNeeds): Promise<LimitRows> => {
  const runs = sorted(needs.runs);
  const places = runs.map(({ tenant, agent, runId }) => ({ tenant, scopePath: runScopePath(tenant, agent, runId) }));
  const [locked, budgets, velocity] = await pipelined(lockRuns(tx, runs), lockRunBudgets(tx, { places, heldBy: needs.settled }), lockVelocity(tx, sorted(needs.velocity)));
  return { runs: locked, budgets, velocity };
};

export const addLimits = (limits: LockedLimits, budgets: LockedBudgets, rows: LimitRows): void => {
  for (const run of rows.runs) limits.runs.set(runKey(run), run);
  addRunBudgets(budgets, rows.budgets);
  for (const counter of rows.velocity) limits.velocity.set(velocityKey(counter.tenant, counter.ruleId, counter.subject), counter);
};

/** The needs without those that are locked already; undefined when there are none left. */
export const stillNeeded = (needs: LimitNeeds, { runs, velocity }: LockedLimits): LimitNeeds | undefined => {
  const missing: LimitNeeds = { runs: without(needs.runs, runs), velocity: without(needs.velocity, velocity), settled: needs.settled };
  return needsNothing(missing) ? undefined : missing;
};

const without = <T>(wanted: ReadonlyMap<string, T>, locked: ReadonlyMap<string, unknown>): Map<string, T> => new Map([...wanted].filter(([key]) => !locked.has(key)));

/**
 * Whether locks that are still missing may be taken behind those of a guess: only counters, and only where it took none. Under a
 * policy that has just changed two batches guess by different limits, and would else wait for one another.
 */
export const mayFollow = (missing: LimitNeeds, guess: LimitNeeds): boolean => missing.runs.size === 0 && missing.settled.length === 0 && guess.velocity.size === 0;

/** What is needed, and the settled claims of a guess, whose run budgets had been found. */
export const together = ({ runs, velocity, settled }: LimitNeeds, guess: LimitNeeds): LimitNeeds => ({
  runs,
  velocity,
  settled: [...new Map([...guess.settled, ...settled].map((claim) => [claim.reservationId, claim])).values()],
});

/** The guess gave its locks back: what it read is nobody's now. */
export const forgetLimits = ({ runs, velocity, budgets }: LockedLimits & { readonly budgets: LockedBudgets }): void => {
  runs.clear();
  velocity.clear();
  removeRunBudgets(budgets);
};

/** The run as the decision asks for it. Undefined where it was not locked, and then the claim is refused. */
export const runNow = (limits: RunLimits | undefined, run: RunRef, { runs }: LockedLimits, budgets: LockedBudgets): RunNow | undefined => {
  if (limits === undefined) return undefined;
  const locked = runs.get(runKey(run));
  return locked === undefined ? undefined : { startedAtMs: locked.startedAtMs, budgets: runBudgetsAt(run.tenant, runScopePath(run.tenant, run.agent, run.runId), budgets) };
};

export const beginRun = ({ runs }: LockedLimits, run: RunRef, startedAtMs: number): void => {
  const locked = runs.get(runKey(run));
  if (locked === undefined || locked.startedAtMs !== undefined) return;
  locked.startedAtMs = startedAtMs;
  locked.begun = true;
};

/** The counters of a claim. Undefined where one was not locked, and then the claim is refused. */
export const velocityNow = (rules: readonly VelocityRule[], tenant: string, subjects: readonly VelocitySubject[], { velocity }: LockedLimits, nowMs: number): readonly VelocityCounter[] | undefined => {
  const counters: VelocityCounter[] = [];
  for (const { ruleId, subject, fromMs } of velocityKeysOf(rules, subjects, nowMs)) {
    const locked = velocity.get(velocityKey(tenant, ruleId, subject));
    if (locked === undefined) return undefined;
    locked.fromMs = fromMs;
    counters.push(...locked.slices);
  }
  return counters;
};

export const countClaim = (limits: LockedLimits, tenant: string, slices: readonly VelocityCounter[]): void => {
  for (const slice of slices) {
    const locked = limits.velocity.get(velocityKey(tenant, slice.ruleId, slice.subject));
    if (locked !== undefined) countedOn(locked, slice);
  }
};
