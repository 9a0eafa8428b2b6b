import type { ReservationEvent } from '@exequatur/reservations-domain';
import { Problem } from '@exequatur/service-kit';
import type { Answer } from '@exequatur/service-kit';
import type { AuthorityOutcome } from '../authority/authority-command.js';
import { answered, committedText, extendedText, LeaseAnswer, releasedText } from './cycles-answer.js';
import { CyclesProblem } from './cycles-error.js';
import type { CyclesAmount } from './cycles-shapes.js';

type Settled = Extract<AuthorityOutcome, { kind: 'settled' }>;
type Live = Exclude<Settled['reservation'], { readonly status: 'None' | 'Refused' }>;

/**
 * Refusals of commit, release and extend. An expired reservation is gone (410), whatever was asked; one that was committed or
 * released is final (409).
 */
export const refusalOf = (outcome: Exclude<AuthorityOutcome, { kind: 'settled' }>): Problem => {
  if (outcome.kind !== 'refused') throw new Error('a reservation was not settled');
  if (outcome.code === 'INVALID') return new CyclesProblem('INVALID', 'UNIT_MISMATCH', outcome.detail);
  if (outcome.code === 'RESERVATION_FINALIZED' && outcome.status === 'Expired') return new Problem('RESERVATION_EXPIRED');
  return new Problem(outcome.code, outcome.detail);
};

const settledOf = (outcome: AuthorityOutcome): { readonly settled: Settled; readonly live: Live } | Problem => {
  if (outcome.kind !== 'settled') return refusalOf(outcome);
  const { reservation } = outcome;
  return reservation.status === 'None' || reservation.status === 'Refused' ? new Problem('NOT_FOUND') : { settled: outcome, live: reservation };
};

const heldOf = ({ holds }: Live): { readonly unit: string; readonly amount: bigint } | undefined => holds[0];

/** What a commit charged; after what the overage policy made of it. */
export const chargedBy = (events: readonly { readonly type: string; readonly data: unknown }[], unit: string): bigint => {
  const committed = events.find((event): event is Extract<ReservationEvent, { type: 'ReservationCommitted' }> => event.type === 'ReservationCommitted');
  return BigInt(committed?.data.actual.find((used) => used.unit === unit)?.amount ?? '0');
};

export const commitAnswer = (outcome: AuthorityOutcome, actual: CyclesAmount): Answer | Problem => {
  const found = settledOf(outcome);
  if (found instanceof Problem) return found;
  return answered(200, committedText(actual.unit, chargedBy(found.settled.events, actual.unit), heldOf(found.live)?.amount ?? 0n));
};

export const releaseAnswer = (outcome: AuthorityOutcome): Answer | Problem => {
  const found = settledOf(outcome);
  if (found instanceof Problem) return found;
  const held = heldOf(found.live);
  return answered(200, releasedText(held?.unit ?? 'USD_MICROCENTS', held?.amount ?? 0n));
};

export const extendAnswer = (outcome: AuthorityOutcome): Answer | Problem => {
  const found = settledOf(outcome);
  if (found instanceof Problem) return found;
  return new LeaseAnswer(extendedText(found.live.expiresAt), found.live.expiresAt - found.settled.nowMs);
};
