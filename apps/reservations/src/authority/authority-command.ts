import type { Code, Grant, ReserveRequest, StreamId } from '@exequatur/contracts';
import type { Actor } from '@exequatur/event-store';
import type { Reservation, ReserveCaller, ReserveDecision, SettleCommand } from '@exequatur/reservations-domain';

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

type WithoutMetadata<C> = C extends { readonly type: infer T; readonly data: infer D } ? (T extends 'ExtendReservation' ? { readonly type: T; readonly data: { readonly byMs: number } } : { readonly type: T; readonly data: D }) : never;

export interface SettleAsked extends Asked {
  readonly kind: 'settle';
  readonly command: WithoutMetadata<SettleCommand>;
  /** An agent settles only its own self executions; others read as not found. */
  readonly onlyAgent?: string;
  /** Only claims of this mode; others are refused with MODE_MISMATCH. */
  readonly onlyMode?: 'managed' | 'self';
}

/** One command to the runtime authority. Many are decided in one transaction, in their order. */
export type AuthorityCommand = ReserveAsked | SettleAsked;

export type AuthorityOutcome =
  | { readonly kind: 'reserved'; readonly decision: ReserveDecision; readonly nowMs: number }
  | { readonly kind: 'settled'; readonly reservation: Reservation; readonly nowMs: number }
  | { readonly kind: 'refused'; readonly code: Code; readonly detail?: string };

export const reservationStream = (tenant: string, reservationId: string): StreamId => ({ tenant, aggregate: 'reservation', id: reservationId });
