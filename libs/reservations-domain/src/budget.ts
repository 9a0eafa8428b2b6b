import type { BudgetMove, Code } from '@exequatur/contracts';
import { formatAmount, refuse } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';

/** A budget on one scope path and unit. Always held + committed <= cap (invariant 7). */
export interface Budget {
  readonly budgetId: string;
  readonly scopePath: string;
  readonly unit: string;
  readonly cap: bigint;
  readonly held: bigint;
  readonly committed: bigint;
  /** Counts this budget's moves, BudgetDefined being 1, without gap; auditors order by it. */
  readonly entryNo: number;
}

/** What one reservation has set aside on one budget. */
export interface Hold {
  readonly budgetId: string;
  readonly unit: string;
  readonly amount: bigint;
}

export const availableOn = (budget: Budget): bigint => budget.cap - budget.held - budget.committed;

/** Sets `amount` aside. Undefined when the budget does not cover it. */
export const holdOn = (budget: Budget, amount: bigint): Budget | undefined =>
  amount > availableOn(budget) ? undefined : { ...budget, held: budget.held + amount, entryNo: budget.entryNo + 1 };

/** Ends a hold: `committed` of it is spent, the rest returned. */
export const settleOn = (budget: Budget, hold: Hold, committed: bigint): Budget => ({
  ...budget,
  held: budget.held - hold.amount,
  committed: budget.committed + committed,
  entryNo: budget.entryNo + 1,
});

/** The budget after a move, as events carry it. `amount` is what moved: held, committed or returned. */
export const moveOf = (budget: Budget, amount: bigint): BudgetMove => ({
  budget_id: budget.budgetId,
  unit: budget.unit,
  amount: formatAmount(amount),
  entry_no: budget.entryNo,
  held: formatAmount(budget.held),
  committed: formatAmount(budget.committed),
  cap: formatAmount(budget.cap),
});

/** The budget as a move left it. */
export const budgetAfter = (budget: Budget, move: BudgetMove): Budget => ({
  ...budget,
  cap: BigInt(move.cap),
  held: BigInt(move.held),
  committed: BigInt(move.committed),
  entryNo: move.entry_no,
});

export type BudgetState = { readonly status: 'None' } | ({ readonly status: 'Defined' } & Budget);

export type BudgetCommand =
  | { readonly type: 'DefineBudget'; readonly data: { readonly budgetId: string; readonly scopePath: string; readonly unit: string; readonly cap: bigint } }
  | { readonly type: 'AdjustBudget'; readonly data: { readonly cap: bigint; readonly reason: string } };

export type BudgetEvent =
  | { readonly type: 'BudgetDefined'; readonly data: { readonly budget_id: string; readonly scope_path: string; readonly unit: string; readonly cap: string; readonly entry_no: number } }
  | { readonly type: 'BudgetAdjusted'; readonly data: { readonly budget_id: string; readonly cap: string; readonly held: string; readonly committed: string; readonly entry_no: number; readonly reason: string } };

export const initialBudget = (): BudgetState => ({ status: 'None' });

/** CONFLICT: it exists already, does not exist, or the new cap would lie below what is held and committed. */
export const decideBudget = (command: BudgetCommand, state: BudgetState): readonly BudgetEvent[] | Refusal<Code> => {
  if (command.type === 'DefineBudget') {
    if (state.status !== 'None') return refuse('CONFLICT', 'this budget exists already');
    const { budgetId, scopePath, unit, cap } = command.data;
    return [{ type: 'BudgetDefined', data: { budget_id: budgetId, scope_path: scopePath, unit, cap: formatAmount(cap), entry_no: 1 } }];
  }
  if (state.status === 'None') return refuse('NOT_FOUND');
  const { cap, reason } = command.data;
  if (reason.trim() === '') return refuse('REASON_REQUIRED');
  if (cap === state.cap) return [];
  if (cap < state.held + state.committed) return refuse('CONFLICT', 'the cap cannot be below what is held and committed');
  return [
    {
      type: 'BudgetAdjusted',
      data: { budget_id: state.budgetId, cap: formatAmount(cap), held: formatAmount(state.held), committed: formatAmount(state.committed), entry_no: state.entryNo + 1, reason },
    },
  ];
};

export const evolveBudget = (state: BudgetState, event: BudgetEvent): BudgetState => {
  const { data } = event;
  switch (event.type) {
    case 'BudgetDefined':
      return { status: 'Defined', budgetId: data.budget_id, scopePath: event.data.scope_path, unit: event.data.unit, cap: BigInt(data.cap), held: 0n, committed: 0n, entryNo: data.entry_no };
    case 'BudgetAdjusted':
      return state.status === 'None' ? state : { ...state, cap: BigInt(data.cap), entryNo: data.entry_no };
  }
};
