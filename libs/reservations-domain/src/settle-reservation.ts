import type { BudgetMove, Code, commitComparison, Shape, UnitAmount } from '@exequatur/contracts';
import { AMOUNT_DIGITS, assertNever, formatAmount, parseAmount, refuse, toInstant } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { settleMoveOf, settleOn } from './budget.js';
import type { Budget, Hold } from './budget.js';
import { budgetOf, commitUsage } from './commit-usage.js';
import type { ReservationLimits } from './limits.js';
import { isEnd } from './reservation.js';
import type { Claim, LedgerEvent, Reservation, ReservationEvent, ReservationStatus } from './reservation.js';
import { softLimitReached } from './soft-limit.js';

const LARGEST_AMOUNT = 10n ** BigInt(AMOUNT_DIGITS) - 1n;

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
 * - OVERDRAFT_LIMIT_EXCEEDED: more used than held, and a budget's overdraft does not cover it.
 *
 * With the reservation's own events stands what budgets have to say: OverageAuthorised before the commit it allows,
 * BudgetSoftLimitReached behind. Each decision is made on the budgets as the one before it left them, so an overdraft is
 * shared exactly, whoever comes together.
 */
export const settle = (command: SettleCommand, state: Reservation): readonly (ReservationEvent | LedgerEvent)[] | Refusal<Code> => {
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
  return nowMs >= state.expiresAt + graceOf(state, limits) ? refuse('RESERVATION_EXPIRED') : undefined;
};

const commit = (state: Live, data: Extract<SettleCommand, { type: 'CommitReservation' }>['data'], { budgets }: SettleMetadata): readonly (ReservationEvent | LedgerEvent)[] | Refusal<Code> => {
  // The executor's outcome is a fact and cannot be refused.
  const usage = commitUsage(state, data.actual, budgets, data.attestedBy === 'executor');
  if ('refused' in usage) return usage;
  const { moves, actual, overages, policy, crossed } = usage;
  const { providerRequestId, executedArgumentsHash } = data;
  const committed: ReservationEvent = {
    type: 'ReservationCommitted',
    data: {
      ...settlement(state, 'SUCCEEDED', data.attestedBy),
      moves,
      actual,
      ...(providerRequestId === undefined ? {} : { provider_request_id: providerRequestId }),
      ...(executedArgumentsHash === undefined ? {} : { executed_arguments_hash: executedArgumentsHash }),
      ...compared(state, data.actual, executedArgumentsHash),
    },
  };
  if (overages.length === 0 && crossed.length === 0) return [committed];
  const { reservation_id, grant_id, action_id } = committed.data;
  const whose = { reservation_id, ...(grant_id === undefined ? {} : { grant_id }), ...(action_id === undefined ? {} : { action_id }) };
  return [
    ...(overages.length === 0 ? [] : [{ type: 'OverageAuthorised' as const, data: { ...whose, policy, overages } }]),
    committed,
    ...crossed.map((budget) => softLimitReached(reservation_id, budget)),
  ];
};

/** What ran against what was approved: as reported, also where the ledger could not follow. Left out when nobody said anything. */
const compared = (state: Live, reported: readonly UnitAmount[], executedArgumentsHash: string | undefined): { readonly comparison?: Shape<typeof commitComparison> } => {
  const amounts = differingAmounts(state.holds, reported);
  if (executedArgumentsHash === undefined) return amounts.length === 0 ? {} : { comparison: { arguments: 'not_reported', amounts } };
  return { comparison: { arguments: executedArgumentsHash === state.grantedArgumentsHash ? 'same' : 'different', amounts } };
};

const differingAmounts = (holds: readonly Hold[], reported: readonly UnitAmount[]) => {
  if (reported.length === 0) return [];
  const sums = new Map<string, bigint>();
  for (const { unit, amount } of reported) sums.set(unit, (sums.get(unit) ?? 0n) + parseAmount(amount));
  return [...sums].flatMap(([unit, actual]) => {
    const reserved = holds.find((hold) => hold.unit === unit)?.amount ?? 0n;
    return actual === reserved ? [] : [{ unit, reserved: formatAmount(reserved), actual: formatAmount(actual > LARGEST_AMOUNT ? LARGEST_AMOUNT : actual) }];
  });
};

const extend = (state: Live, { byMs, heldAtMs }: { readonly byMs: number; readonly heldAtMs: number }, { nowMs, limits, frozen }: SettleMetadata): readonly ReservationEvent[] | Refusal<Code> => {
  if (isEnd(state.status) || state.status === 'Unknown') return refuse('RESERVATION_FINALIZED');
  if (nowMs >= state.expiresAt) return refuse('RESERVATION_EXPIRED');
  if (frozen) return refuse('FROZEN');
  const longest = state.budgetOnly === true ? limits.largestAgeMs : limits.largestTtlMs;
  const until = Math.min(state.expiresAt + byMs, nowMs + longest, heldAtMs + limits.largestAgeMs);
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
  if (nowMs < state.expiresAt + (self ? graceOf(state, limits) : 0)) return [];
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

/** How long after expires_at an agent may still report. */
export const graceOf = (claim: Claim, limits: ReservationLimits): number => claim.graceMs ?? limits.graceMs;

/** Of a release or expiry: 0 spent and the hold returned. */
const returnAll = (state: Live, { budgets }: SettleMetadata): readonly BudgetMove[] =>
  state.holds.map((hold) => {
    const before = budgetOf(budgets, hold);
    return settleMoveOf(before, settleOn(before, hold, 0n), hold, 0n);
  });
