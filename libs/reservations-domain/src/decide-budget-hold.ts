import type { OveragePolicy, Tool, UnitAmount } from '@exequatur/contracts';
import { addAmounts, parseAmount, toInstant } from '@exequatur/kernel';
import type { Amounts } from '@exequatur/kernel';
import type { Budget } from './budget.js';
import { chargeBudgets, everyUnitHasBudget, holdMoves, isNotCovered } from './charge-budgets.js';
import { warningsOf } from './decide-reserve.js';
import type { AuthorityCode, ReserveDecision } from './decide-reserve.js';
import { freezeCovers } from './freeze.js';
import type { ActiveFreeze } from './freeze.js';
import type { ReservationLimits } from './limits.js';

/** Asks for budget and nothing else: no grant, no token, no execution (purpose budget_only). */
export interface BudgetHoldQuestion {
  readonly reservationId: string;
  readonly tenant: string;
  /** who asks, and settles later */
  readonly agent: string;
  readonly scopePath: string;
  readonly runId: string;
  readonly actionKind: string;
  readonly tool: Tool;
  /** hash of what was asked for, so that the hold says what it was made for */
  readonly requestHash: string;
  readonly amounts: readonly UnitAmount[];
  readonly ttlMs?: number;
  /** how long after the TTL a commit still finds the hold; the service's grace when absent */
  readonly graceMs?: number;
  readonly overagePolicy?: OveragePolicy;
  /** Unix ms; the database's clock, read after all locks */
  readonly nowMs: number;
  readonly freezes: readonly ActiveFreeze[];
  /** version and hash of the policy in force, if any: recorded, not asked */
  readonly policy: { readonly version: number; readonly hash: string } | undefined;
  /** every budget of the tenant on the scope path and its ancestors */
  readonly budgets: readonly Budget[];
  readonly fenceEpoch: number;
  readonly limits: ReservationLimits;
}

const NO_POLICY = `sha256:${'0'.repeat(64)}`;

/**
 * FROZEN, BUDGET_UNKNOWN, BUDGET_EXCEEDED, in this order. The claim is settled with the commands of any other (`settle`), by
 * its agent; when nothing is heard it expires after its grace and everything is returned.
 */
export const decideBudgetHold = (question: BudgetHoldQuestion): ReserveDecision => {
  const { tenant, agent, actionKind, tool, scopePath, runId, nowMs, budgets } = question;
  const subject = { tenant, agent, actionKind, tool, grantId: undefined, scopePath, runId };
  if (question.freezes.some((freeze) => freezeCovers(freeze, subject))) return refused(question, 'FROZEN');
  const amounts = question.amounts.reduce<Amounts>((sum, { unit, amount }) => addAmounts(sum, { [unit]: parseAmount(amount) }), {});
  if (!everyUnitHasBudget(amounts, budgets)) return refused(question, 'BUDGET_UNKNOWN');
  const charges = chargeBudgets(amounts, budgets, nowMs);
  if (isNotCovered(charges)) {
    const { budget, because } = charges;
    return { ...refused(question, 'BUDGET_EXCEEDED', budget), because };
  }
  const warnings = warningsOf(question.reservationId, charges);
  return { held: true, data: heldData(question, holdMoves(charges)), budgets: charges.map(({ budget }) => budget), ...(warnings.length === 0 ? {} : { warnings }) };
};

const heldData = (question: BudgetHoldQuestion, holds: ReturnType<typeof holdMoves>): Extract<ReserveDecision, { held: true }>['data'] => {
  const { limits, nowMs, policy } = question;
  const expiresAt = toInstant(nowMs + Math.min(Math.max(question.ttlMs ?? limits.ttlMs.self, limits.smallestTtlMs), limits.largestAgeMs));
  return {
    reservation_id: question.reservationId,
    purpose: 'budget_only',
    attempt: 1,
    agent: question.agent,
    scope_path: question.scopePath,
    run_id: question.runId,
    action_kind: question.actionKind,
    execution_mode: 'self',
    on_silence: 'expire',
    tool: question.tool,
    granted_arguments_hash: question.requestHash,
    holds,
    caps: {},
    // Nothing is executed under it: it says no more than the hold.
    execute_by: expiresAt,
    expires_at: expiresAt,
    policy_version: policy?.version ?? 0,
    policy_hash: policy?.hash ?? NO_POLICY,
    policy_result: 'same',
    fence_epoch: question.fenceEpoch,
    ...(question.overagePolicy === undefined ? {} : { overage_policy: question.overagePolicy }),
    ...(question.graceMs === undefined ? {} : { grace_ms: question.graceMs }),
  };
};

const refused = (question: BudgetHoldQuestion, code: AuthorityCode, budget?: Budget): Extract<ReserveDecision, { held: false }> => ({
  held: false,
  code,
  data: {
    reservation_id: question.reservationId,
    agent: question.agent,
    run_id: question.runId,
    code,
    after_approval: false,
    attempt: 1,
    ...(budget === undefined ? {} : { budget_id: budget.budgetId, budget_scope_path: budget.scopePath }),
  },
});
