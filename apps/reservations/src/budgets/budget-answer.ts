import { amount, BUDGET_WINDOWS, count, instant, object, oneOf, optional, OVERAGE_POLICIES, RUN_LIMITS, scopePath, truth, unit, uuid } from '@exequatur/contracts';
import { toInstant } from '@exequatur/kernel';
import { availableOn, budgetNow, windowEndOf } from '@exequatur/reservations-domain';
import type { Budget } from '@exequatur/reservations-domain';

/** What a person sets, beside the cap. */
export const termFields = { soft_limit: optional(amount()), overage_policy: optional(oneOf(...OVERAGE_POLICIES)), overdraft_limit: optional(amount()) };

const setFields = {
  budget_id: uuid(),
  scope_path: scopePath(),
  unit: unit(),
  cap: amount(),
  window: oneOf(...BUDGET_WINDOWS),
  /** absent: reject */
  ...termFields,
  /** a limit of the policy on one run: made by its first claim, set by nobody */
  run_limit: optional(oneOf(...RUN_LIMITS)),
  closed: truth(),
  entry_no: count(),
};
const figureFields = {
  held: amount(),
  committed: amount(),
  /** spent beyond the cap under allow_with_overdraft */
  debt: amount(),
  over_limit: truth(),
  /** of windows that begin anew: the one the figures are of */
  window_start: optional(instant()),
  window_end: optional(instant()),
};

export const budgetShown = object(setFields);
export const budgetAnswer = object({ ...setFields, ...figureFields });
export const balanceShown = object({ ...setFields, ...figureFields, /** what a claim may take now; 0 while it is closed, in debt or over its limit */ available: amount() });

export const shownBudget = (budget: Budget) => ({
  budget_id: budget.budgetId,
  scope_path: budget.scopePath,
  unit: budget.unit,
  cap: budget.cap.toString(),
  window: budget.window ?? 'lifetime',
  ...(budget.softLimit === undefined ? {} : { soft_limit: budget.softLimit.toString() }),
  ...(budget.overagePolicy === undefined ? {} : { overage_policy: budget.overagePolicy }),
  ...(budget.overdraftLimit === undefined ? {} : { overdraft_limit: budget.overdraftLimit.toString() }),
  ...(budget.runLimit === undefined ? {} : { run_limit: budget.runLimit }),
  closed: budget.closed === true,
  entry_no: budget.entryNo,
});

/** The budget with its figures in the window of `nowMs`: what was held or spent before is not in them. */
export const shownFigures = (stored: Budget, nowMs: number) => {
  const budget = budgetNow(stored, nowMs);
  const windowEnd = windowEndOf(budget.window, nowMs);
  return {
    ...shownBudget(budget),
    held: budget.held.toString(),
    committed: budget.committed.toString(),
    debt: (budget.debt ?? 0n).toString(),
    over_limit: budget.overLimit === true,
    ...(windowEnd === undefined ? {} : { window_start: toInstant(budget.windowStartMs ?? 0), window_end: toInstant(windowEnd) }),
  };
};

export const shownBalance = (stored: Budget, nowMs: number) => ({ ...shownFigures(stored, nowMs), available: availableOn(budgetNow(stored, nowMs)).toString() });
