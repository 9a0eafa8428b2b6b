import type { BudgetMove, BudgetWindow, OveragePolicy, RunLimit } from '@exequatur/contracts';
import { formatAmount, fromInstant, toInstant } from '@exequatur/kernel';
import { beginsAnew, windowStartOf } from './budget-window.js';

/**
 * A budget on one scope path and unit. Always held + committed <= cap, in each of its windows (invariant 7); `debt` is what was
 * spent beyond that under allow_with_overdraft.
 *
 * Windows. `held` and `committed` are of the window that began at `windowStartMs`. A budget moves on to the window of now when
 * something is held on it, never before and never back, so no sweeper is needed: what nobody asks for needs no reset.
 * A hold belongs to the window it was made in, whenever it ends: a late commit is spent there, a late release returned there.
 * So a window that is over and in which holds still stand is kept in `earlier`, with the cap it had, until the last has ended.
 */
export interface Budget {
  readonly budgetId: string;
  readonly scopePath: string;
  readonly unit: string;
  readonly cap: bigint;
  readonly held: bigint;
  readonly committed: bigint;
  /** Counts this budget's moves, BudgetDefined being 1, without gap; auditors order by it. */
  readonly entryNo: number;
  /** absent: lifetime */
  readonly window?: BudgetWindow;
  /** Unix ms; absent: 0 */
  readonly windowStartMs?: number;
  readonly earlier?: readonly EarlierWindow[];
  /** held + committed at which to warn */
  readonly softLimit?: bigint;
  /** absent: reject */
  readonly overagePolicy?: OveragePolicy;
  /** most debt; absent: 0 */
  readonly overdraftLimit?: bigint;
  /** absent: 0 */
  readonly debt?: bigint;
  /** Usage was reported that nothing covered (allow_if_available). */
  readonly overLimit?: boolean;
  readonly closed?: boolean;
  /** A limit of the policy on one run; comes into being with the run's first hold. */
  readonly runLimit?: RunLimit;
}

export interface EarlierWindow {
  readonly startMs: number;
  readonly cap: bigint;
  readonly held: bigint;
  readonly committed: bigint;
}

/** What one reservation has set aside on one budget. */
export interface Hold {
  readonly budgetId: string;
  readonly unit: string;
  readonly amount: bigint;
  /** Unix ms, the window it was made in; absent on budgets whose window never begins anew */
  readonly windowStartMs?: number;
}

/** Standing holds keep their window. Past this many such windows a budget covers nothing new until some have been settled. */
export const MAX_EARLIER_WINDOWS = 400;

/** Why a budget does not cover an amount. */
export type Uncovered = 'cap' | 'debt' | 'over_limit' | 'closed' | 'earlier_windows';

/** The budget in the window of now: how it reads, and what a hold is made on. The same object where nothing has changed. */
export const budgetNow = (budget: Budget, nowMs: number): Budget => {
  if (!beginsAnew(budget.window)) return budget;
  const start = windowStartOf(budget.window, nowMs);
  return start > (budget.windowStartMs ?? 0) ? inWindow(budget, start) : budget;
};

/** The budget at the start of a later window: nothing held or spent, except what is still owed from before. */
export const inWindow = (budget: Budget, startMs: number): Budget => {
  const { earlier = [], debt = 0n, overLimit: _, ...rest } = budget;
  const left = budget.held > 0n ? [...earlier, { startMs: budget.windowStartMs ?? 0, cap: budget.cap, held: budget.held, committed: budget.committed }] : earlier;
  const repaid = debt < budget.cap ? debt : budget.cap;
  return { ...rest, held: 0n, committed: repaid, windowStartMs: startMs, ...beyond({ earlier: left, debt: debt - repaid, overLimit: false }) };
};

/** What is rarely there is left out when it says nothing, so that equal budgets look equal. */
const beyond = ({ earlier, debt, overLimit }: { readonly earlier: readonly EarlierWindow[]; readonly debt: bigint; readonly overLimit: boolean }) => ({
  ...(earlier.length === 0 ? {} : { earlier }),
  ...(debt === 0n ? {} : { debt }),
  ...(overLimit ? { overLimit } : {}),
});

export const uncovered = (budget: Budget, amount: bigint): Uncovered | undefined => {
  if (budget.closed === true) return 'closed';
  if (budget.debt !== undefined && budget.debt > 0n) return 'debt';
  if (budget.overLimit === true) return 'over_limit';
  if (budget.earlier !== undefined && budget.earlier.length > MAX_EARLIER_WINDOWS) return 'earlier_windows';
  return budget.held + budget.committed + amount > budget.cap ? 'cap' : undefined;
};

/** What a new hold may take; 0 while the budget is closed, in debt or over its limit. */
export const availableOn = (budget: Budget): bigint => (uncovered(budget, 0n) === undefined ? budget.cap - budget.held - budget.committed : 0n);

/** Sets `amount` aside in the window the budget is in. Undefined when the budget does not cover it. */
export const holdOn = (budget: Budget, amount: bigint): Budget | undefined =>
  uncovered(budget, amount) === undefined ? { ...budget, held: budget.held + amount, entryNo: budget.entryNo + 1 } : undefined;

/** What of a reported usage goes where, on one budget. All 0: the hold is returned. */
export interface Spent {
  readonly committed: bigint;
  readonly debt: bigint;
  /** Something was used that this budget could not take. */
  readonly overLimit: boolean;
}

/** Ends a hold: `committed` of it is spent, the rest returned, in the window it was made in. */
export const settleOn = (budget: Budget, hold: Hold, committed: bigint): Budget => spendOn(budget, hold, { committed, debt: 0n, overLimit: false });

export const spendOn = (budget: Budget, hold: Hold, spent: Spent): Budget => {
  const entryNo = budget.entryNo + 1;
  const ofNow = isOfNow(budget, hold.windowStartMs);
  if (ofNow && spent.debt === 0n && !spent.overLimit) return { ...budget, held: budget.held - hold.amount, committed: budget.committed + spent.committed, entryNo };
  const { earlier = [], debt = 0n, overLimit = false, ...rest } = budget;
  const owing = { debt: debt + spent.debt, overLimit: overLimit || spent.overLimit };
  if (ofNow) return { ...rest, held: budget.held - hold.amount, committed: budget.committed + spent.committed, entryNo, ...beyond({ earlier, ...owing }) };
  const settled = earlier.map((window) => (window.startMs === hold.windowStartMs ? { ...window, held: window.held - hold.amount, committed: window.committed + spent.committed } : window));
  return { ...rest, entryNo, ...beyond({ earlier: settled.filter(({ held }) => held > 0n), ...owing }) };
};

const isOfNow = (budget: Budget, windowStartMs: number | undefined): boolean => windowStartMs === undefined || windowStartMs >= (budget.windowStartMs ?? 0);

/** What is still free in the window of a hold, for usage beyond the hold. */
export const roomBeside = (budget: Budget, hold: Hold): bigint => {
  if (budget.closed === true || (budget.debt ?? 0n) > 0n) return 0n;
  const { cap, held, committed } = isOfNow(budget, hold.windowStartMs) ? budget : windowOf(budget, hold);
  return cap - held - committed;
};

const windowOf = (budget: Budget, hold: Hold): EarlierWindow => {
  const window = budget.earlier?.find(({ startMs }) => startMs === hold.windowStartMs);
  if (window === undefined) throw new Error(`the budget ${budget.budgetId} has forgotten the window of a standing hold`);
  return window;
};

/** The budget after a move in its window of now, as events carry it. `amount` is what moved: held, committed or returned. */
export const moveOf = (budget: Budget, amount: bigint): BudgetMove => {
  const move = {
    budget_id: budget.budgetId,
    unit: budget.unit,
    amount: formatAmount(amount),
    entry_no: budget.entryNo,
    held: formatAmount(budget.held),
    committed: formatAmount(budget.committed),
    cap: formatAmount(budget.cap),
  };
  return isPlain(budget) ? move : { ...move, ...rareFields(budget, budget.windowStartMs ?? 0) };
};

/** Nearly every budget: no window that begins anew, nothing owed, not a run's. */
const isPlain = (budget: Budget): boolean => !beginsAnew(budget.window) && budget.debt === undefined && budget.overLimit === undefined && budget.runLimit === undefined;

const rareFields = (budget: Budget, windowStartMs: number) => ({
  ...(beginsAnew(budget.window) ? { window_start: toInstant(windowStartMs) } : {}),
  ...(budget.debt === undefined ? {} : { debt: formatAmount(budget.debt) }),
  ...(budget.overLimit === true ? { over_limit: true } : {}),
  ...(budget.runLimit === undefined ? {} : { run_limit: budget.runLimit }),
});

/** The move of a hold's end: the figures are those of the hold's window after it. */
export const settleMoveOf = (before: Budget, after: Budget, hold: Hold, amount: bigint): BudgetMove => {
  if (isOfNow(before, hold.windowStartMs)) return moveOf(after, amount);
  const was = windowOf(before, hold);
  const is = after.earlier?.find(({ startMs }) => startMs === was.startMs) ?? { ...was, held: 0n, committed: was.committed + amount - ((after.debt ?? 0n) - (before.debt ?? 0n)) };
  return { ...moveOf({ ...after, cap: was.cap, held: is.held, committed: is.committed }, amount), ...rareFields(after, was.startMs) };
};

/** The budget as a move left it. */
export const budgetAfter = (budget: Budget, move: BudgetMove): Budget => {
  const figures = { cap: BigInt(move.cap), held: BigInt(move.held), committed: BigInt(move.committed) };
  const { earlier: _e, debt: _d, overLimit: _o, ...rest } = budget;
  const owing = { debt: move.debt === undefined ? 0n : BigInt(move.debt), overLimit: move.over_limit === true };
  const startMs = move.window_start === undefined ? undefined : fromInstant(move.window_start);
  const current = budget.windowStartMs ?? 0;
  if (startMs === undefined || startMs === current) return { ...rest, ...figures, entryNo: move.entry_no, ...beyond({ earlier: budget.earlier ?? [], ...owing }) };
  if (startMs > current) return { ...rest, ...figures, windowStartMs: startMs, entryNo: move.entry_no, ...beyond({ earlier: inWindow(budget, startMs).earlier ?? [], ...owing }) };
  const earlier = (budget.earlier ?? []).map((window) => (window.startMs === startMs ? { startMs, ...figures } : window));
  return { ...rest, entryNo: move.entry_no, ...beyond({ earlier: earlier.filter(({ held }) => held > 0n), ...owing }) };
};

/** True when going from one to the other reached the soft limit: the moment to warn. A new window starts below it. */
export const reachedSoftLimit = (before: Budget, after: Budget): boolean =>
  after.softLimit !== undefined && after.held + after.committed >= after.softLimit && before.held + before.committed < after.softLimit;
