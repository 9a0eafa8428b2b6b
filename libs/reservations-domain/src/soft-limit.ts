import { formatAmount, toInstant } from '@exequatur/kernel';
import { beginsAnew } from './budget-window.js';
import type { Budget } from './budget.js';
import type { LedgerEvent } from './reservation.js';

/** The warning, on the stream of the reservation that crossed the limit: it arises after the streams are locked. */
export const softLimitReached = (reservationId: string, budget: Budget): LedgerEvent => ({
  type: 'BudgetSoftLimitReached',
  data: {
    reservation_id: reservationId,
    budget_id: budget.budgetId,
    scope_path: budget.scopePath,
    unit: budget.unit,
    soft_limit: formatAmount(budget.softLimit ?? 0n),
    held: formatAmount(budget.held),
    committed: formatAmount(budget.committed),
    cap: formatAmount(budget.cap),
    entry_no: budget.entryNo,
    ...(beginsAnew(budget.window) ? { window_start: toInstant(budget.windowStartMs ?? 0) } : {}),
  },
});
