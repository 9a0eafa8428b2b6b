import type { Code, DataOf, Grant, ReservationHeld, ReservationRefused } from '@exequatur/contracts';
import { derivedId, fromInstant, refuse, toInstant } from '@exequatur/kernel';
import type { Amounts, Refusal } from '@exequatur/kernel';
import type { Budget, Uncovered } from './budget.js';
import { holdMoves } from './charge-budgets.js';
import type { Charge } from './charge-budgets.js';
import type { Delegation } from './delegation.js';
import { RESERVE_CHECKS } from './reserve-checks.js';
import { noFindings } from './reserve-findings.js';
import type { ReserveFindings } from './reserve-findings.js';
import type { LedgerEvent } from './reservation.js';
import { useNoOf } from './reserve-question.js';
import type { ReserveQuestion } from './reserve-question.js';
import { softLimitReached } from './soft-limit.js';
import type { VelocityCounter } from './velocity.js';

export type ReserveDecision =
  | ({
      readonly held: true;
      readonly data: DataOf<typeof ReservationHeld>;
      /** the charged budgets as they are now, those of the run included */
      readonly budgets: readonly Budget[];
    } & HeldBeside)
  | {
      readonly held: false;
      readonly code: AuthorityCode;
      readonly detail?: string;
      readonly pointer?: string;
      readonly data: DataOf<typeof ReservationRefused>;
      /** when asking again can help by time alone */
      readonly retryAfterMs?: number;
      /** of BUDGET_EXCEEDED; for operators */
      readonly because?: Uncovered;
    };

/** What else a claim changes; absent where nothing of the kind is. */
export interface HeldBeside {
  /** Events that follow ReservationHeld on the same stream. */
  readonly warnings?: readonly LedgerEvent[];
  /** Unix ms; the run began with this claim, or earlier */
  readonly runStartedAtMs?: number;
  /** What all uses of the grant have claimed now, by unit. */
  readonly claimed?: Amounts;
  /** The delegations it is charged to, as they are now. */
  readonly delegations?: readonly Delegation[];
  /** Half-open circuits of which this claim is a probe: each has one less to give. */
  readonly probes?: readonly string[];
  /** Rows as they are now: one per rule that counts it. */
  readonly velocity?: readonly VelocityCounter[];
}

/** Codes that a ReservationRefused may carry. */
export type AuthorityCode = DataOf<typeof ReservationRefused>['code'];

/** The effect key: the same for the same use, so that a restarted executor asks for, and sends, the same one. */
export const executionIdOf = (tenant: string, grantId: string, useNo: number): string => derivedId('execution', tenant, grantId, String(useNo));

/** May this exact action run now? Runs RESERVE_CHECKS in order; the first refusal is the answer. */
export const decideReserve = (question: ReserveQuestion): ReserveDecision => {
  const findings = noFindings();
  for (const { check } of RESERVE_CHECKS) {
    const refusal = check(question, findings);
    if (refusal !== undefined) {
      return refused(question, findings, refusal);
    }
  }
  const { grant, agreement } = findings;
  if (grant === undefined || agreement === undefined) return refused(question, findings, refuse('GRANT_UNKNOWN'));
  return { held: true, data: heldData(question, findings, grant, agreement), budgets: budgetsOf(findings), ...heldBeside(question, findings) };
};

const refused = (question: ReserveQuestion, findings: ReserveFindings, { code, detail, pointer }: Refusal<Code>): ReserveDecision => ({
  held: false,
  code: code as AuthorityCode,
  ...(detail === undefined ? {} : { detail }),
  ...(pointer === undefined ? {} : { pointer }),
  ...(findings.retryAfterMs === undefined ? {} : { retryAfterMs: findings.retryAfterMs }),
  ...(findings.uncoveredBecause === undefined ? {} : { because: findings.uncoveredBecause }),
  data: refusedData(question, findings, code as AuthorityCode),
});

const budgetsOf = ({ charges, runCharges }: ReserveFindings): readonly Budget[] => {
  const budgets = charges.map(({ budget }) => budget);
  for (const { budget } of runCharges) budgets.push(budget);
  return budgets;
};

const heldBeside = (question: ReserveQuestion, findings: ReserveFindings): HeldBeside => ({
  ...(findings.charges.some(({ crossed }) => crossed) ? { warnings: warningsOf(question.reservationId, findings.charges) } : {}),
  ...(question.policy?.limits?.run === undefined ? {} : { runStartedAtMs: question.run?.startedAtMs ?? question.nowMs }),
  ...(findings.claimed === undefined ? {} : { claimed: findings.claimed }),
  ...(findings.chargedDelegations === undefined ? {} : { delegations: findings.chargedDelegations }),
  ...(findings.probes === undefined ? {} : { probes: findings.probes }),
  ...(findings.velocity === undefined ? {} : { velocity: findings.velocity }),
});

export const warningsOf = (reservationId: string, charges: readonly Charge[]): readonly LedgerEvent[] => charges.filter(({ crossed }) => crossed).map(({ budget }) => softLimitReached(reservationId, budget));

/** True for refusals that must not be stored as the answer of their Idempotency-Key: asking again with the same key can help. */
export const isPassing = (code: Code): boolean => code === 'POLICY_NOT_YET_KNOWN';

const deadlines = ({ request, nowMs, limits }: ReserveQuestion, grant: Grant, maxRuntimeSec: number | undefined): { executeBy: number; expiresAt: number } => {
  const executeBy = Math.min(nowMs + limits.executeWindowMs, fromInstant(grant.expires_at));
  const asked = Math.min(Math.max(request.ttl_ms ?? limits.ttlMs[grant.execution_mode], limits.smallestTtlMs), limits.largestTtlMs);
  // A hold never ends before the last moment its action may start; managed ones also stand while it runs.
  const runtimeMs = grant.execution_mode === 'managed' && maxRuntimeSec !== undefined ? maxRuntimeSec * 1_000 : 0;
  return { executeBy, expiresAt: Math.max(nowMs + asked, executeBy + runtimeMs) };
};

const heldData = (question: ReserveQuestion, { caps, charges, runCharges, boundedUse, delegations, probes, agent }: ReserveFindings, grant: Grant, agreement: NonNullable<ReserveFindings['agreement']>): DataOf<typeof ReservationHeld> => {
  const { request, reservationId, fenceEpoch } = question;
  const useNo = useNoOf(request);
  const { executeBy, expiresAt } = deadlines(question, grant, caps.max_runtime_sec);
  return {
    reservation_id: reservationId,
    purpose: 'execution',
    grant_id: grant.grant_id,
    use_no: useNo,
    action_id: grant.action_id,
    execution_id: executionIdOf(grant.tenant, grant.grant_id, useNo),
    attempt: request.attempt ?? 1,
    agent: agent ?? grant.agent_identity,
    scope_path: grant.scope_path,
    run_id: grant.run_id,
    ...(grant.thread_id === undefined ? {} : { thread_id: grant.thread_id }),
    action_kind: grant.action_kind,
    execution_mode: grant.execution_mode,
    on_silence: grant.on_silence,
    tool: grant.tool,
    ...(grant.target_hash === undefined ? {} : { target_hash: grant.target_hash }),
    granted_arguments_hash: boundedUse?.argumentsHash ?? grant.granted_arguments_hash,
    holds: runCharges.length === 0 ? holdMoves(charges) : [...holdMoves(charges), ...holdMoves(runCharges)],
    caps,
    execute_by: toInstant(executeBy),
    expires_at: toInstant(expiresAt),
    policy_version: agreement.version,
    policy_hash: agreement.hash,
    policy_result: agreement.result,
    fence_epoch: fenceEpoch,
    ...(boundedUse === undefined || grant.fixed_hash === undefined ? {} : { fixed_hash: grant.fixed_hash }),
    ...(delegations === undefined ? {} : { delegations: delegations.map(({ delegationId }) => delegationId), delegated_by: delegations.map(({ fromAgent }) => fromAgent) }),
    ...(probes?.[0] === undefined ? {} : { probe_of: probes[0] }),
    ...(question.policy?.limits?.run === undefined ? {} : { run_started_at: toInstant(question.run?.startedAtMs ?? question.nowMs) }),
  };
};

const refusedData = ({ request, caller, reservationId, grant }: ReserveQuestion, findings: ReserveFindings, code: AuthorityCode): DataOf<typeof ReservationRefused> => {
  // Of a grant of another tenant nothing but the presented id may stand in this tenant's log.
  const own = grant?.claims?.tenant === caller.tenant ? grant.claims : undefined;
  const grantId = own?.grant_id ?? request.grant_id;
  return {
    reservation_id: reservationId,
    ...(grantId === undefined ? {} : { grant_id: grantId }),
    use_no: useNoOf(request),
    ...(own === undefined ? {} : { action_id: own.action_id }),
    agent: caller.type === 'agent' ? caller.agent : (request.agent ?? own?.agent_identity ?? 'unnamed'),
    run_id: request.run_id,
    code,
    after_approval: own?.source === 'approval',
    attempt: request.attempt ?? 1,
    ...(findings.refusedBudget === undefined ? {} : { budget_id: findings.refusedBudget.budgetId, budget_scope_path: findings.refusedBudget.scopePath }),
    ...(findings.refusedBy === undefined ? {} : { refused_by: findings.refusedBy }),
    ...(findings.retryAfterMs === undefined ? {} : { retry_after_ms: findings.retryAfterMs }),
  };
};

