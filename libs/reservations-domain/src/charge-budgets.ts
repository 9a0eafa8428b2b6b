import type { BudgetMove } from '@exequatur/contracts';
import type { Amounts } from '@exequatur/kernel';
import { beginsAnew } from './budget-window.js';
import { budgetNow, holdOn, moveOf, reachedSoftLimit, uncovered } from './budget.js';
import type { Budget, Hold, Uncovered } from './budget.js';

/** A charged budget as it will be, with the hold on it. */
export interface Charge {
  readonly budget: Budget;
  readonly hold: Hold;
  /** it reached its soft limit by this */
  readonly crossed: boolean;
}

export interface NotCovered {
  readonly budget: Budget;
  readonly because: Uncovered;
}

/** True when each unit has a budget somewhere on the path. */
export const everyUnitHasBudget = (amounts: Amounts, budgets: readonly Budget[]): boolean => {
  for (const unit in amounts) {
    if ((amounts[unit] ?? 0n) > 0n && !budgets.some((budget) => budget.unit === unit)) return false;
  }
  return true;
};

/** All budgets of a unit are charged, each in its window of now, or none is. Amounts of 0 need and move none. */
export const chargeBudgets = (amounts: Amounts, budgets: readonly Budget[], nowMs: number): readonly Charge[] | NotCovered => {
  const charges: Charge[] = [];
  for (const unit in amounts) {
    const amount = amounts[unit] ?? 0n;
    if (amount === 0n) continue;
    for (const stored of budgets) {
      if (stored.unit !== unit) continue;
      const before = budgetNow(stored, nowMs);
      const budget = holdOn(before, amount);
      if (budget === undefined) return { budget: before, because: uncovered(before, amount) ?? 'cap' };
      const hold: Hold = beginsAnew(budget.window) ? { budgetId: budget.budgetId, unit, amount, windowStartMs: budget.windowStartMs ?? 0 } : { budgetId: budget.budgetId, unit, amount };
      charges.push({ budget, hold, crossed: reachedSoftLimit(before, budget) });
    }
  }
  return charges;
};

export const isNotCovered = (charged: readonly Charge[] | NotCovered): charged is NotCovered => 'because' in charged;

export const holdMoves = (charges: readonly { readonly budget: Budget; readonly hold: Hold }[]): readonly BudgetMove[] => charges.map(({ budget, hold }) => moveOf(budget, hold.amount));
