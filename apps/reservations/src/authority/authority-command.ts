import type { Code, Grant, ReserveRequest, StreamId } from '@exequatur/contracts';
import type { Actor } from '@exequatur/event-store';
import type { BudgetHoldQuestion, LedgerEvent, Reservation, ReservationEvent, ReservationStatus, ReserveCaller, ReserveDecision, SettleCommand } from '@exequatur/reservations-domain';

interface Asked {
  readonly tenant: string;
  /** The stream that the command may append to; locked before anything is read. */
  readonly reservationId: string;
  readonly actor: Actor;
  /** Idempotency key or event id that led to this. */
  readonly causationId?: string;
  readonly traceparent?: string;
}

export interface ReserveAsked extends Asked {
  readonly kind: 'reserve';
  readonly caller: ReserveCaller;
  readonly request: ReserveRequest;
  /** Claims of a presented grant whose signature is its owner's. */
  readonly presented?: Grant;
}

/** Budget and nothing else (purpose budget_only): no grant, no token, no execution. */
export interface HoldBudgetAsked extends Asked {
  readonly kind: 'hold_budget';
  readonly hold: Pick<BudgetHoldQuestion, 'agent' | 'scopePath' | 'runId' | 'actionKind' | 'tool' | 'requestHash' | 'amounts' | 'ttlMs' | 'graceMs' | 'overagePolicy'>;
  /** Decided like any other, and nothing comes of it: no row, no event, no budget moved. */
  readonly dryRun?: true;
  /** Where a budget does not cover all of it, hold what every budget of the unit still covers, be it nothing. */
  readonly orLess?: true;
  /** What the surface that asked wants to read back; opaque to the authority, in the row and in no event. */
  readonly note?: string;
}

type WithoutMetadata<C> = C extends { readonly type: infer T; readonly data: infer D } ? (T extends 'ExtendReservation' ? { readonly type: T; readonly data: { readonly byMs: number } } : { readonly type: T; readonly data: D }) : never;

export interface SettleAsked extends Asked {
  readonly kind: 'settle';
  readonly command: WithoutMetadata<SettleCommand>;
  /** An agent settles only its own self executions; others read as not found. */
  readonly onlyAgent?: string;
  /** Only claims of this mode; others are refused with MODE_MISMATCH. */
  readonly onlyMode?: 'managed' | 'self';
  /** Only claims of this purpose; others read as not found. */
  readonly onlyPurpose?: 'budget_only';
  /** Only a claim that holds this unit and no other, or nothing; others are refused with INVALID. */
  readonly onlyUnit?: string;
}

/** One command to the runtime authority. Many are decided in one transaction, in their order. */
export type AuthorityCommand = ReserveAsked | HoldBudgetAsked | SettleAsked;

export type AuthorityOutcome =
  /** `otherUnits`, of a hold on budget: whether there is any budget on the path, in whatever unit. */
  | { readonly kind: 'reserved'; readonly decision: ReserveDecision; readonly nowMs: number; readonly otherUnits?: boolean }
  | { readonly kind: 'settled'; readonly reservation: Reservation; readonly nowMs: number; readonly events: readonly (ReservationEvent | LedgerEvent)[] }
  /** `status`: of the reservation that refused to be settled */
  | { readonly kind: 'refused'; readonly code: Code; readonly detail?: string; readonly status?: ReservationStatus };

export const reservationStream = (tenant: string, reservationId: string): StreamId => ({ tenant, aggregate: 'reservation', id: reservationId });

/** The scope path whose budgets, and whose ancestors' budgets, a claim is charged to. */
export const chargedPath = (command: Exclude<AuthorityCommand, SettleAsked>): string => (command.kind === 'reserve' ? command.request.scope_path : command.hold.scopePath);
