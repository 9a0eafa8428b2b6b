import { defineEvent } from '../event.js';
import { OVERAGE_POLICIES } from '../limits.js';
import { amount, count, instant, list, object, oneOf, optional, scopePath, unit, uuid } from '../schema.js';

/** They arise after the streams are locked, so they stand on the reservation's stream, never the budget's. */
const onReservation = { context: 'reservations', owner: 'reservations', aggregate: 'reservation', version: 1 } as const;

export const OverageAuthorised = defineEvent({
  ...onReservation,
  name: 'OverageAuthorised',
  authority: true,
  summary: 'More was used than was held, and the budgets allow it; stands before the commit that spends it.',
  data: object({
    reservation_id: uuid(),
    grant_id: optional(uuid()),
    action_id: optional(uuid()),
    policy: oneOf(...OVERAGE_POLICIES),
    overages: list(object({ budget_id: uuid(), unit: unit(), reserved: amount(), extra: amount(), /** of extra, what became debt */ overdraft: amount() }), 100),
  }),
});

export const BudgetSoftLimitReached = defineEvent({
  ...onReservation,
  name: 'BudgetSoftLimitReached',
  summary: 'A budget reached its soft limit: a warning, once a window and crossing.',
  data: object({ reservation_id: uuid(), budget_id: uuid(), scope_path: scopePath(), unit: unit(), soft_limit: amount(), held: amount(), committed: amount(), cap: amount(), entry_no: count(), window_start: optional(instant()) }),
});
