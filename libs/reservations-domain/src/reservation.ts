import type { BudgetMove, BudgetSoftLimitReached, DataOf, OverageAuthorised, OveragePolicy, ReservationCommitted, ReservationExpired, ReservationExtended, ReservationHeld, ReservationMarkedUnknown, ReservationRefused, ReservationReleased, ReservationStarted } from '@exequatur/contracts';
import { fromInstant } from '@exequatur/kernel';
import type { Hold } from './budget.js';

/** Held and Started may still act; Unknown keeps its hold until reconciled; the other three are ends (invariant 8: one each). */
export const RESERVATION_STATUSES = ['Held', 'Started', 'Unknown', 'Committed', 'Released', 'Expired'] as const;
export type ReservationStatus = (typeof RESERVATION_STATUSES)[number];

export const isEnd = (status: ReservationStatus): boolean => status === 'Committed' || status === 'Released' || status === 'Expired';

/** Times are Unix ms. */
export interface Claim {
  readonly reservationId: string;
  readonly grantId?: string;
  readonly actionId?: string;
  readonly executionMode: 'managed' | 'self';
  readonly onSilence: 'unknown' | 'expire';
  readonly executeBy: number;
  readonly expiresAt: number;
  /** from the caps; undefined where they name none */
  readonly maxRuntimeMs?: number;
  readonly grantedArgumentsHash: string;
  readonly holds: readonly Hold[];
  /** Holds budget and nothing else: no grant, token or execution. */
  readonly budgetOnly?: true;
  /** what its holder declared; budgets may be stricter */
  readonly overagePolicy?: OveragePolicy;
  /** in place of the service's grace */
  readonly graceMs?: number;
}

export type Reservation = { readonly status: 'None' } | { readonly status: 'Refused' } | ({ readonly status: ReservationStatus } & Claim);

export type ReservationEvent =
  | { readonly type: 'ReservationHeld'; readonly data: DataOf<typeof ReservationHeld> }
  | { readonly type: 'ReservationRefused'; readonly data: DataOf<typeof ReservationRefused> }
  | { readonly type: 'ReservationStarted'; readonly data: DataOf<typeof ReservationStarted> }
  | { readonly type: 'ReservationExtended'; readonly data: DataOf<typeof ReservationExtended> }
  | { readonly type: 'ReservationCommitted'; readonly data: DataOf<typeof ReservationCommitted> }
  | { readonly type: 'ReservationReleased'; readonly data: DataOf<typeof ReservationReleased> }
  | { readonly type: 'ReservationExpired'; readonly data: DataOf<typeof ReservationExpired> }
  | { readonly type: 'ReservationMarkedUnknown'; readonly data: DataOf<typeof ReservationMarkedUnknown> };

/** What stands beside a reservation's own events on its stream and changes no reservation. */
export type LedgerEvent =
  | { readonly type: 'OverageAuthorised'; readonly data: DataOf<typeof OverageAuthorised> }
  | { readonly type: 'BudgetSoftLimitReached'; readonly data: DataOf<typeof BudgetSoftLimitReached> };

export const initialReservation = (): Reservation => ({ status: 'None' });

const holdOf = ({ budget_id, unit, amount, window_start }: BudgetMove): Hold =>
  window_start === undefined ? { budgetId: budget_id, unit, amount: BigInt(amount) } : { budgetId: budget_id, unit, amount: BigInt(amount), windowStartMs: fromInstant(window_start) };

export const claimOf = (data: DataOf<typeof ReservationHeld>): Claim => ({
  reservationId: data.reservation_id,
  ...(data.grant_id === undefined ? {} : { grantId: data.grant_id }),
  ...(data.action_id === undefined ? {} : { actionId: data.action_id }),
  executionMode: data.execution_mode,
  onSilence: data.on_silence ?? 'unknown',
  executeBy: fromInstant(data.execute_by),
  expiresAt: fromInstant(data.expires_at),
  ...(data.caps.max_runtime_sec === undefined ? {} : { maxRuntimeMs: data.caps.max_runtime_sec * 1_000 }),
  grantedArgumentsHash: data.granted_arguments_hash,
  holds: data.holds.map(holdOf),
  ...(data.purpose === 'budget_only' ? { budgetOnly: true } : {}),
  ...(data.overage_policy === undefined ? {} : { overagePolicy: data.overage_policy }),
  ...(data.grace_ms === undefined ? {} : { graceMs: data.grace_ms }),
});

const moved = (state: Reservation, status: ReservationStatus): Reservation => (state.status === 'None' || state.status === 'Refused' ? state : { ...state, status });

export const evolveReservation = (state: Reservation, event: ReservationEvent | LedgerEvent): Reservation => {
  switch (event.type) {
    case 'ReservationHeld':
      return { status: 'Held', ...claimOf(event.data) };
    case 'ReservationRefused':
      return { status: 'Refused' };
    case 'ReservationStarted':
      return moved(state, 'Started');
    case 'ReservationExtended':
      return state.status === 'None' || state.status === 'Refused' ? state : { ...state, expiresAt: fromInstant(event.data.expires_at) };
    case 'ReservationCommitted':
      return moved(state, 'Committed');
    case 'ReservationReleased':
      return moved(state, 'Released');
    case 'ReservationExpired':
      return moved(state, 'Expired');
    case 'ReservationMarkedUnknown':
      return moved(state, 'Unknown');
    case 'OverageAuthorised':
    case 'BudgetSoftLimitReached':
      return state;
  }
};
