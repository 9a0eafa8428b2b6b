import { Problem, problemOf } from '@exequatur/service-kit';
import type { Answer } from '@exequatur/service-kit';
import { fromInstant, refuse } from '@exequatur/kernel';
import type { AuthorityOutcome } from '../authority/authority-command.js';
import { answered, createdText, decisionText, LeaseAnswer } from './cycles-answer.js';
import { CyclesProblem, reasonCodeOf } from './cycles-error.js';
import type { CyclesErrorCode } from './cycles-error.js';
import type { CyclesAmount } from './cycles-shapes.js';

type Reserved = Extract<AuthorityOutcome, { kind: 'reserved' }>;
type Refused = Extract<Reserved['decision'], { held: false }>;

export const reservedOf = (outcome: AuthorityOutcome): Reserved => {
  if (outcome.kind !== 'reserved') throw new Error('a hold was not decided');
  return outcome;
};

const BECAUSE: Partial<Record<string, CyclesErrorCode>> = { debt: 'DEBT_OUTSTANDING', over_limit: 'OVERDRAFT_LIMIT_EXCEEDED', closed: 'BUDGET_CLOSED' };

const errorOf = ({ code, because }: Refused, { otherUnits }: Reserved): CyclesErrorCode | undefined => {
  if (code === 'BUDGET_UNKNOWN' && otherUnits === true) return 'UNIT_MISMATCH';
  return code === 'BUDGET_EXCEEDED' && because !== undefined ? BECAUSE[because] : undefined;
};

const DETAIL: Partial<Record<CyclesErrorCode, string>> = { UNIT_MISMATCH: 'there is a budget on the scope path, but in another unit', BUDGET_CLOSED: 'a budget on the scope path is closed' };

export const refusedHold = (decision: Refused, outcome: Reserved): Problem => {
  const finer = errorOf(decision, outcome);
  if (finer !== undefined) return new CyclesProblem(decision.code, finer, DETAIL[finer]);
  if (decision.code === 'BUDGET_UNKNOWN') return new Problem('BUDGET_UNKNOWN', 'Budget not found for provided scope');
  return problemOf(refuse(decision.code, decision.detail, decision.pointer));
};

/** A live reserve: what it holds, or a problem. Problems are not kept under the key: the protocol replays successes only. */
export const createAnswer = (outcome: AuthorityOutcome, { unit, amount }: CyclesAmount, scopePath: string, scopes: readonly string[]): Answer | Problem => {
  const reserved = reservedOf(outcome);
  const { decision, nowMs } = reserved;
  if (!decision.held) return refusedHold(decision, reserved);
  const expiresAtMs = fromInstant(decision.data.expires_at);
  return new LeaseAnswer(createdText({ reservationId: decision.data.reservation_id, unit, amount, expiresAtMs, scopePath, scopes }), expiresAtMs - nowMs);
};

/** What it would have been: always a 200. */
export const decisionAnswer = (outcome: AuthorityOutcome, scopes: readonly string[]): Answer => {
  const reserved = reservedOf(outcome);
  const { decision } = reserved;
  return answered(200, decisionText(decision.held ? undefined : (errorOf(decision, reserved) ?? reasonCodeOf(decision.code)), scopes));
};
