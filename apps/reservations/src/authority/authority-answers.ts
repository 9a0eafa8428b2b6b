import type { Authorization, DataOf, ReservationHeld } from '@exequatur/contracts';
import { AUTHORIZATION_JWS_TYPE } from '@exequatur/contracts';
import { fromInstant, refuse, toInstant } from '@exequatur/kernel';
import type { Signer } from '@exequatur/service-kit';
import { Answer, Problem, PROBLEM_CONTENT_TYPE, problemOf } from '@exequatur/service-kit';
import type { AuthorityOutcome } from './authority-command.js';

type Held = DataOf<typeof ReservationHeld>;

/** What was set aside, by unit. Which budgets were charged, and what is left on them, is not an agent's to know. */
export const heldAmounts = (holds: Held['holds']): readonly { unit: string; amount: string }[] => {
  const byUnit = new Map<string, string>();
  // Each budget on the path holds the same amount of its unit.
  for (const { unit, amount } of holds) byUnit.set(unit, amount);
  return [...byUnit].map(([unit, amount]) => ({ unit, amount }));
};

export const claimView = (held: Held, nowMs: number) => ({
  reservation_id: held.reservation_id,
  grant_id: held.grant_id,
  use_no: held.use_no,
  execution_id: held.execution_id,
  execute_by: held.execute_by,
  /** counted from when the answer was made: a caller that gets it late, or again, asks for the remainder with GET */
  execute_within_ms: Math.max(0, fromInstant(held.execute_by) - nowMs),
  expires_at: held.expires_at,
  caps: held.caps,
  holds: heldAmounts(held.holds),
});

/**
 * The token a tool checks (libs/authority-verify): for this tool, these arguments, under these caps, until execute_by. Without
 * the salt, which stays with the proposer: stored answers are not sealed.
 */
const authorization = (tenant: string, held: Held, nowMs: number, signer: Signer): string => {
  const claims: Authorization = {
    reservation_id: held.reservation_id,
    grant_id: held.grant_id ?? '',
    ...(held.action_id === undefined ? {} : { action_id: held.action_id }),
    ...(held.use_no === undefined ? {} : { use_no: held.use_no }),
    tenant,
    tool: held.tool,
    aud: held.tool.name,
    granted_arguments_hash: held.granted_arguments_hash,
    caps: held.caps,
    execute_by: held.execute_by,
    iat: Math.floor(nowMs / 1_000),
    exp: Math.ceil(fromInstant(held.execute_by) / 1_000),
  };
  return signer.signJws(claims, AUTHORIZATION_JWS_TYPE);
};

/** A refusal as the bytes that are sent and stored; one that may pass (429, 5xx) as a Problem, which never is stored. */
const refused = (problem: Problem, retryAfterMs?: number): Answer | Problem =>
  problem.status >= 500 || problem.status === 429
    ? problem
    : Answer.json(problem.status, problem.document(), { 'content-type': PROBLEM_CONTENT_TYPE, ...(retryAfterMs === undefined ? {} : { 'retry-after': String(Math.ceil(retryAfterMs / 1_000)) }) });

/** The answer to a command. The authorization token stands here and nowhere else. */
export const answerTo = (tenant: string, outcome: AuthorityOutcome, signer: Signer): Answer | Problem => {
  switch (outcome.kind) {
    case 'reserved': {
      const { decision, nowMs } = outcome;
      if (!decision.held) return refused(problemOf(refuse(decision.code, decision.detail, decision.pointer)), decision.retryAfterMs);
      return Answer.json(201, { status: 'held', ...claimView(decision.data, nowMs), authorization: authorization(tenant, decision.data, nowMs, signer) });
    }
    case 'settled': {
      const { reservation, nowMs } = outcome;
      if (reservation.status === 'None' || reservation.status === 'Refused') return refused(new Problem('NOT_FOUND'));
      return Answer.json(200, {
        reservation_id: reservation.reservationId,
        status: reservation.status.toLowerCase(),
        execute_by: toInstant(reservation.executeBy),
        execute_within_ms: Math.max(0, reservation.executeBy - nowMs),
        expires_at: toInstant(reservation.expiresAt),
      });
    }
    case 'refused':
      return refused(problemOf(refuse(outcome.code, outcome.detail)));
  }
};
