import type { Code, DataOf, Grant, ReservationHeld, ReservationRefused } from '@exequatur/contracts';
import { derivedId, fromInstant, toInstant } from '@exequatur/kernel';
import { moveOf } from './budget.js';
import type { Budget } from './budget.js';
import { noFindings, RESERVE_CHECKS } from './reserve-checks.js';
import type { ReserveFindings } from './reserve-checks.js';
import { useNoOf } from './reserve-question.js';
import type { ReserveQuestion } from './reserve-question.js';

export type ReserveDecision =
  | { readonly held: true; readonly data: DataOf<typeof ReservationHeld>; /** the charged budgets as they are now */ readonly budgets: readonly Budget[] }
  | { readonly held: false; readonly code: AuthorityCode; readonly detail?: string; readonly pointer?: string; readonly data: DataOf<typeof ReservationRefused> };

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
      const { detail, pointer } = refusal;
      const code = refusal.code as AuthorityCode;
      return { held: false, code, ...(detail === undefined ? {} : { detail }), ...(pointer === undefined ? {} : { pointer }), data: refusedData(question, findings, code) };
    }
  }
  const { grant, agreement } = findings;
  if (grant === undefined || agreement === undefined) return { held: false, code: 'GRANT_UNKNOWN', data: refusedData(question, findings, 'GRANT_UNKNOWN') };
  return { held: true, data: heldData(question, findings, grant, agreement), budgets: findings.charges.map(({ budget }) => budget) };
};

/** True for refusals that must not be stored as the answer of their Idempotency-Key: asking again with the same key can help. */
export const isPassing = (code: Code): boolean => code === 'POLICY_NOT_YET_KNOWN';

const deadlines = ({ request, nowMs, limits }: ReserveQuestion, grant: Grant, maxRuntimeSec: number | undefined): { executeBy: number; expiresAt: number } => {
  const executeBy = Math.min(nowMs + limits.executeWindowMs, fromInstant(grant.expires_at));
  const asked = Math.min(Math.max(request.ttl_ms ?? limits.ttlMs[grant.execution_mode], limits.smallestTtlMs), limits.largestTtlMs);
  // A hold never ends before the last moment its action may start; managed ones also stand while it runs.
  const runtimeMs = grant.execution_mode === 'managed' && maxRuntimeSec !== undefined ? maxRuntimeSec * 1_000 : 0;
  return { executeBy, expiresAt: Math.max(nowMs + asked, executeBy + runtimeMs) };
};

const heldData = (question: ReserveQuestion, { caps, charges }: ReserveFindings, grant: Grant, agreement: NonNullable<ReserveFindings['agreement']>): DataOf<typeof ReservationHeld> => {
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
    agent: grant.agent_identity,
    scope_path: grant.scope_path,
    run_id: grant.run_id,
    ...(grant.thread_id === undefined ? {} : { thread_id: grant.thread_id }),
    action_kind: grant.action_kind,
    execution_mode: grant.execution_mode,
    on_silence: grant.on_silence,
    tool: grant.tool,
    ...(grant.target_hash === undefined ? {} : { target_hash: grant.target_hash }),
    granted_arguments_hash: grant.granted_arguments_hash,
    holds: charges.map(({ budget, hold }) => moveOf(budget, hold.amount)),
    caps,
    execute_by: toInstant(executeBy),
    expires_at: toInstant(expiresAt),
    policy_version: agreement.version,
    policy_hash: agreement.hash,
    policy_result: agreement.result,
    fence_epoch: fenceEpoch,
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
    ...(findings.refusedBudgetId === undefined ? {} : { budget_id: findings.refusedBudgetId }),
  };
};

