import type { BudgetMove, Code, UnitAmount } from '@exequatur/contracts';
import { assertNever, parseAmount, refuse, toInstant } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { moveOf, settleOn } from './budget.js';
import type { Budget, Hold } from './budget.js';
import type { ReservationLimits } from './limits.js';
import { isEnd } from './reservation.js';
import type { Claim, Reservation, ReservationEvent, ReservationStatus } from './reservation.js';

export type Attestor = 'executor' | 'agent' | 'person' | 'system';

export interface SettleMetadata {
  /** Unix ms, the database's, read after all locks */
  readonly nowMs: number;
  readonly limits: ReservationLimits;
  /** A freeze covers this claim now. */
  readonly frozen: boolean;
  /** Every budget the claim holds on, by id, locked. */
  readonly budgets: ReadonlyMap<string, Budget>;
}

type CommandOf<T extends string, D> = { readonly type: T; readonly data: D; readonly metadata: SettleMetadata };

export type SettleCommand =
  /** The effect is about to happen. */
  | CommandOf<'StartReservation', { readonly attestedBy: 'executor' | 'agent' }>
  /** The effect happened. A unit that `actual` does not name was used as reserved. */
  | CommandOf<'CommitReservation', { readonly attestedBy: Attestor; readonly actual: readonly UnitAmount[]; readonly providerRequestId?: string; readonly executedArgumentsHash?: string }>
  /** The effect provably did not happen (FAILED), or was never asked for (NONE). */
  | CommandOf<'ReleaseReservation', { readonly attestedBy: Attestor; readonly outcome: 'FAILED' | 'NONE'; readonly reason: string }>
  | CommandOf<'MarkReservationUnknown', { readonly attestedBy: Attestor; readonly reason: string }>
  | CommandOf<'ExtendReservation', { readonly byMs: number; readonly heldAtMs: number }>
  /** The time for hearing something may be over. */
  | CommandOf<'SweepReservation', Record<string, never>>;

type Live = { readonly status: ReservationStatus } & Claim;

/**
 * Held → Started | Committed | Released | Unknown | Expired; Started → the same ends; Unknown → Committed | Released, by
 * whoever can know: the executor's late outcome or a person (contracts.md "State machines").
 * - NOT_FOUND: no such claim. RESERVATION_FINALIZED: it has ended, or an agent reports on what is unknown by now.
 * - RESERVATION_EXPIRED: an agent reports after expires_at + grace, or anyone extends after expires_at.
 * - CONFLICT: a person reconciles what is not unknown, or says "not executed" while the action may still be running.
 * - EXECUTE_BY_PASSED, FROZEN: start, by an agent. FROZEN: extend. COMMIT_EXCEEDS_RESERVED: more than held of a unit.
 */
export const decideSettlement = (command: SettleCommand, state: Reservation): readonly ReservationEvent[] | Refusal<Code> => {
  if (state.status === 'None' || state.status === 'Refused') return refuse('NOT_FOUND');
  const { metadata } = command;
  switch (command.type) {
    case 'StartReservation':
      return start(state, command.data.attestedBy, metadata);
    case 'CommitReservation':
      return mayReport(state, command.data.attestedBy, metadata) ?? commit(state, command.data, metadata);
    case 'ReleaseReservation': {
      const { attestedBy, outcome, reason } = command.data;
      // Only the executor knows when a managed action can no longer be running; for self execution time has to say it.
      if (attestedBy === 'person' && state.executionMode === 'self' && metadata.nowMs < reconcilableFrom(state, metadata.limits)) return refuse('CONFLICT', 'the action may still be running');
      return mayReport(state, attestedBy, metadata) ?? [{ type: 'ReservationReleased', data: { ...settlement(state, outcome, attestedBy), moves: returnAll(state, metadata), reason } }];
    }
    case 'MarkReservationUnknown': {
      const { attestedBy, reason } = command.data;
      if (state.status === 'Unknown') return [];
      return mayReport(state, attestedBy, metadata) ?? [{ type: 'ReservationMarkedUnknown', data: { ...settlement(state, 'UNKNOWN', attestedBy), moves: [], reason } }];
    }
    case 'ExtendReservation':
      return extend(state, command.data, metadata);
    case 'SweepReservation':
      return sweep(state, metadata);
    default:
      return assertNever(command);
  }
};

/** The executor states facts; what an agent says is bound by deadlines, since it may be late on purpose. */
const start = (state: Live, attestedBy: 'executor' | 'agent', { nowMs, frozen }: SettleMetadata): readonly ReservationEvent[] | Refusal<Code> => {
  if (state.status === 'Started') return [];
  if (state.status !== 'Held') return attestedBy === 'executor' ? [] : refuse('RESERVATION_FINALIZED');
  if (attestedBy === 'agent' && nowMs > state.executeBy) return refuse('EXECUTE_BY_PASSED');
  if (attestedBy === 'agent' && frozen) return refuse('FROZEN');
  return [{ type: 'ReservationStarted', data: { reservation_id: state.reservationId, started_at: toInstant(nowMs), attested_by: attestedBy } }];
};

const mayReport = (state: Live, attestedBy: Attestor, { nowMs, limits }: SettleMetadata): Refusal<Code> | undefined => {
  if (isEnd(state.status)) return refuse('RESERVATION_FINALIZED');
  if (attestedBy === 'person') return state.status === 'Unknown' ? undefined : refuse('CONFLICT', 'only an unknown outcome is reconciled');
  if (attestedBy !== 'agent') return undefined;
  if (state.status === 'Unknown') return refuse('RESERVATION_FINALIZED', 'the outcome is recorded as unknown; a person reconciles it');
  return nowMs >= state.expiresAt + limits.graceMs ? refuse('RESERVATION_EXPIRED') : undefined;
};

const commit = (state: Live, data: Extract<SettleCommand, { type: 'CommitReservation' }>['data'], { budgets }: SettleMetadata): readonly ReservationEvent[] | Refusal<Code> => {
  const reserved = new Map<string, bigint>(state.holds.map(({ unit, amount }) => [unit, amount]));
  const used = new Map(reserved);
  const spentOf = new Map<string, bigint>();
  for (const { unit, amount } of data.actual) {
    const most = reserved.get(unit) ?? 0n;
    const spent = (spentOf.get(unit) ?? 0n) + parseAmount(amount);
    spentOf.set(unit, spent);
    // The executor's outcome is a fact and cannot be refused; without OverageAuthorised no more than the hold is ever spent.
    if (spent > most && data.attestedBy !== 'executor') return refuse('COMMIT_EXCEEDS_RESERVED');
    if (reserved.has(unit)) used.set(unit, spent > most ? most : spent);
  }
  const moves = state.holds.map((hold) => settled(budgets, hold, used.get(hold.unit) ?? hold.amount));
  const actual = [...used].map(([unit, amount]) => ({ unit, amount: amount.toString() }));
  const { providerRequestId, executedArgumentsHash } = data;
  return [
    {
      type: 'ReservationCommitted',
      data: {
        ...settlement(state, 'SUCCEEDED', data.attestedBy),
        moves,
        actual,
        ...(providerRequestId === undefined ? {} : { provider_request_id: providerRequestId }),
        ...(executedArgumentsHash === undefined ? {} : { executed_arguments_hash: executedArgumentsHash }),
      },
    },
  ];
};

const extend = (state: Live, { byMs, heldAtMs }: { readonly byMs: number; readonly heldAtMs: number }, { nowMs, limits, frozen }: SettleMetadata): readonly ReservationEvent[] | Refusal<Code> => {
  if (isEnd(state.status) || state.status === 'Unknown') return refuse('RESERVATION_FINALIZED');
  if (nowMs >= state.expiresAt) return refuse('RESERVATION_EXPIRED');
  if (frozen) return refuse('FROZEN');
  const until = Math.min(state.expiresAt + byMs, nowMs + limits.largestTtlMs, heldAtMs + limits.largestAgeMs);
  // At a bound already; extending never shortens a hold.
  if (until <= state.expiresAt) return [];
  return [{ type: 'ReservationExtended', data: { reservation_id: state.reservationId, expires_at: toInstant(until) } }];
};

/**
 * Silence. A managed hold becomes Unknown at its TTL: the executor may have acted. A self hold gets the grace, then what its
 * class declared: expire where a lost outcome is harmless, unknown for the rest.
 */
const sweep = (state: Live, metadata: SettleMetadata): readonly ReservationEvent[] => {
  const { nowMs, limits } = metadata;
  if (state.status !== 'Held' && state.status !== 'Started') return [];
  const self = state.executionMode === 'self';
  if (nowMs < state.expiresAt + (self ? limits.graceMs : 0)) return [];
  if (self && state.onSilence === 'expire') return [{ type: 'ReservationExpired', data: { ...settlement(state, 'NONE', 'system'), moves: returnAll(state, metadata) } }];
  return [{ type: 'ReservationMarkedUnknown', data: { ...settlement(state, 'UNKNOWN', 'system'), moves: [], reason: 'no outcome within the time' } }];
};

/** From when on "not executed" may be believed of a claim: nothing that started in time can still be running. */
export const reconcilableFrom = (claim: Claim, limits: ReservationLimits): number => claim.executeBy + (claim.maxRuntimeMs ?? limits.assumedRuntimeMs) + limits.reconcileMarginMs;

const settlement = <O extends 'SUCCEEDED' | 'FAILED' | 'UNKNOWN' | 'NONE'>(state: Live, outcome: O, attestedBy: Attestor) => ({
  reservation_id: state.reservationId,
  ...(state.grantId === undefined ? {} : { grant_id: state.grantId }),
  ...(state.actionId === undefined ? {} : { action_id: state.actionId }),
  outcome,
  attested_by: attestedBy,
});

/** `amount` of the move is what was spent; of a release or expiry, 0 spent and the hold returned. */
const settled = (budgets: ReadonlyMap<string, Budget>, hold: Hold, committed: bigint): BudgetMove => {
  const budget = budgets.get(hold.budgetId);
  if (budget === undefined) throw new Error(`the budget ${hold.budgetId} of a hold was not loaded`);
  return moveOf(settleOn(budget, hold, committed), committed);
};

const returnAll = (state: Live, { budgets }: SettleMetadata): readonly BudgetMove[] => state.holds.map((hold) => settled(budgets, hold, 0n));
