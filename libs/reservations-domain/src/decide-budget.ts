import type { BudgetAdjusted, BudgetClosed, BudgetDefined, BudgetWindow, Code, DataOf, OveragePolicy } from '@exequatur/contracts';
import { AMOUNT_DIGITS, assertNever, formatAmount, fromInstant, refuse, toInstant } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { budgetNow, inWindow } from './budget.js';
import type { Budget } from './budget.js';
import { beginsAnew, windowStartOf } from './budget-window.js';

export type BudgetState = { readonly status: 'None' } | ({ readonly status: 'Defined' } & Budget);

/** What beside the cap a person sets; `null` takes it away, what is left out stays as it is. */
export interface BudgetTerms {
  readonly softLimit?: bigint | null;
  readonly overagePolicy?: OveragePolicy;
  readonly overdraftLimit?: bigint;
}

export type BudgetCommand =
  | {
      readonly type: 'DefineBudget';
      readonly data: { readonly budgetId: string; readonly scopePath: string; readonly unit: string; readonly cap: bigint; readonly window?: BudgetWindow; /** Unix ms; needed with a window */ readonly nowMs?: number } & BudgetTerms;
    }
  | { readonly type: 'AdjustBudget'; readonly data: { readonly cap: bigint } & Why & BudgetTerms }
  /** Adds to the cap; what is owed is paid first. */
  | { readonly type: 'FundBudget'; readonly data: { readonly amount: bigint } & Why }
  | { readonly type: 'CloseBudget'; readonly data: Why };

interface Why {
  readonly reason: string;
  /** Unix ms; with it a budget is judged in its window of now, without it in the one it is in */
  readonly nowMs?: number;
}

export type BudgetEvent = { readonly type: 'BudgetDefined'; readonly data: DataOf<typeof BudgetDefined> } | { readonly type: 'BudgetAdjusted'; readonly data: DataOf<typeof BudgetAdjusted> };
export interface BudgetEnded {
  readonly type: 'BudgetClosed';
  readonly data: DataOf<typeof BudgetClosed>;
}

export const initialBudget = (): BudgetState => ({ status: 'None' });

const LARGEST_AMOUNT = 10n ** BigInt(AMOUNT_DIGITS) - 1n;

/**
 * - NOT_FOUND: there is none. REASON_REQUIRED. INVALID: a cap of more than 30 digits, a soft limit above the cap.
 * - CONFLICT: it exists already or is closed, or the new cap would lie below what is held and committed.
 */
export const decideBudget = (command: BudgetCommand, stored: BudgetState): readonly (BudgetEvent | BudgetEnded)[] | Refusal<Code> => {
  if (command.type === 'DefineBudget') return stored.status === 'None' ? define(command.data) : refuse('CONFLICT', 'this budget exists already');
  if (stored.status === 'None') return refuse('NOT_FOUND');
  const state = command.data.nowMs === undefined ? stored : budgetNow(stored, command.data.nowMs);
  if (command.data.reason.trim() === '') return refuse('REASON_REQUIRED');
  if (state.closed === true) return command.type === 'CloseBudget' ? [] : refuse('CONFLICT', 'this budget is closed');
  switch (command.type) {
    case 'AdjustBudget':
      return adjust(state, command.data);
    case 'FundBudget': {
      const { amount, reason } = command.data;
      if (amount === 0n) return [];
      if (amount > LARGEST_AMOUNT) return refuse('INVALID', `at most ${AMOUNT_DIGITS} digits`, '/amount');
      return changeCap(state, state.cap + amount, { reason, added: formatAmount(amount) });
    }
    case 'CloseBudget':
      return [{ type: 'BudgetClosed', data: { budget_id: state.budgetId, ...figuresOf(state), entry_no: state.entryNo + 1, reason: command.data.reason } }];
    default:
      return assertNever(command);
  }
};

const figuresOf = ({ held, committed, cap }: Budget) => ({ held: formatAmount(held), committed: formatAmount(committed), cap: formatAmount(cap) });

const termsOf = ({ softLimit, overagePolicy, overdraftLimit }: BudgetTerms) => ({
  ...(softLimit === undefined || softLimit === null ? {} : { soft_limit: formatAmount(softLimit) }),
  ...(overagePolicy === undefined ? {} : { overage_policy: overagePolicy }),
  ...(overdraftLimit === undefined ? {} : { overdraft_limit: formatAmount(overdraftLimit) }),
});

const outOfBounds = (cap: bigint, softLimit: bigint | null | undefined): Refusal<Code> | undefined => {
  if (cap > LARGEST_AMOUNT) return refuse('INVALID', `at most ${AMOUNT_DIGITS} digits`, '/cap');
  return softLimit !== undefined && softLimit !== null && softLimit > cap ? refuse('INVALID', 'a soft limit lies at or below the cap', '/soft_limit') : undefined;
};

const define = (data: Extract<BudgetCommand, { type: 'DefineBudget' }>['data']): readonly BudgetEvent[] | Refusal<Code> => {
  const { budgetId, scopePath, unit, cap, window, nowMs } = data;
  const refusal = outOfBounds(cap, data.softLimit);
  if (refusal !== undefined) return refusal;
  const windowed = window === undefined ? {} : { window, ...(beginsAnew(window) ? { window_start: toInstant(windowStartOf(window, nowMs ?? 0)) } : {}) };
  return [{ type: 'BudgetDefined', data: { budget_id: budgetId, scope_path: scopePath, unit, cap: formatAmount(cap), entry_no: 1, ...windowed, ...termsOf(data) } }];
};

const adjust = (state: Budget, data: Extract<BudgetCommand, { type: 'AdjustBudget' }>['data']): readonly BudgetEvent[] | Refusal<Code> => {
  const softLimit = data.softLimit === undefined ? state.softLimit : data.softLimit;
  const overagePolicy = data.overagePolicy ?? state.overagePolicy;
  const overdraftLimit = data.overdraftLimit ?? state.overdraftLimit;
  const same = data.cap === state.cap && (softLimit ?? undefined) === state.softLimit && overagePolicy === state.overagePolicy && overdraftLimit === state.overdraftLimit;
  // The same terms again still let a person have debt paid from room that has come free, and end `over limit`.
  const settlesDebt = (state.debt ?? 0n) > 0n && state.cap > state.held + state.committed;
  if (same && state.overLimit !== true && !settlesDebt) return [];
  const terms = { ...(softLimit === undefined ? {} : { softLimit }), ...(overagePolicy === undefined ? {} : { overagePolicy }), ...(overdraftLimit === undefined ? {} : { overdraftLimit }) };
  const refusal = outOfBounds(data.cap, softLimit);
  return refusal ?? changeCap(state, data.cap, { reason: data.reason }, terms);
};

/** New room pays what is owed first: that was spent, and is now covered. Adjusting also ends `over limit`. */
const changeCap = (state: Budget, cap: bigint, why: { readonly reason: string; readonly added?: string }, terms: BudgetTerms = stateTerms(state)): readonly BudgetEvent[] | Refusal<Code> => {
  if (cap > LARGEST_AMOUNT) return refuse('INVALID', `at most ${AMOUNT_DIGITS} digits`, '/cap');
  const room = cap - state.held - state.committed;
  if (room < 0n) return refuse('CONFLICT', 'the cap cannot be below what is held and committed');
  const debt = state.debt ?? 0n;
  const paid = debt < room ? debt : room;
  return [
    {
      type: 'BudgetAdjusted',
      data: {
        budget_id: state.budgetId,
        ...figuresOf({ ...state, cap, committed: state.committed + paid }),
        entry_no: state.entryNo + 1,
        ...why,
        ...(beginsAnew(state.window) ? { window_start: toInstant(state.windowStartMs ?? 0) } : {}),
        ...(debt === paid ? {} : { debt: formatAmount(debt - paid) }),
        ...termsOf(terms),
      },
    },
  ];
};

const stateTerms = ({ softLimit, overagePolicy, overdraftLimit }: Budget): BudgetTerms => ({
  ...(softLimit === undefined ? {} : { softLimit }),
  ...(overagePolicy === undefined ? {} : { overagePolicy }),
  ...(overdraftLimit === undefined ? {} : { overdraftLimit }),
});

const termsIn = (data: Pick<DataOf<typeof BudgetAdjusted>, 'soft_limit' | 'overage_policy' | 'overdraft_limit'>) => ({
  ...(data.soft_limit === undefined ? {} : { softLimit: BigInt(data.soft_limit) }),
  ...(data.overage_policy === undefined ? {} : { overagePolicy: data.overage_policy }),
  ...(data.overdraft_limit === undefined ? {} : { overdraftLimit: BigInt(data.overdraft_limit) }),
});

export const evolveBudget = (state: BudgetState, event: BudgetEvent | BudgetEnded): BudgetState => {
  switch (event.type) {
    case 'BudgetDefined': {
      const { budget_id, scope_path, unit, cap, entry_no, window, window_start } = event.data;
      const windowed = { ...(window === undefined ? {} : { window }), ...(window_start === undefined ? {} : { windowStartMs: fromInstant(window_start) }) };
      return { status: 'Defined', budgetId: budget_id, scopePath: scope_path, unit, cap: BigInt(cap), held: 0n, committed: 0n, entryNo: entry_no, ...windowed, ...termsIn(event.data) };
    }
    case 'BudgetAdjusted': {
      if (state.status === 'None') return state;
      const { cap, held, committed, entry_no, debt, window_start } = event.data;
      const startMs = window_start === undefined ? 0 : fromInstant(window_start);
      const there = startMs > (state.windowStartMs ?? 0) ? inWindow(state, startMs) : state;
      const { softLimit: _s, overagePolicy: _p, overdraftLimit: _l, debt: _d, overLimit: _o, ...rest } = there;
      return { ...rest, status: 'Defined', cap: BigInt(cap), held: BigInt(held), committed: BigInt(committed), entryNo: entry_no, ...(debt === undefined ? {} : { debt: BigInt(debt) }), ...termsIn(event.data) };
    }
    case 'BudgetClosed':
      return state.status === 'None' ? state : { ...state, closed: true, entryNo: event.data.entry_no };
  }
};
