import { capsAdmit, intersectCaps } from '@exequatur/caps';
import type { Caps, Code, Grant } from '@exequatur/contracts';
import { addAmounts, fromInstant, isRefusal, parseAmount, refuse } from '@exequatur/kernel';
import type { Amounts, Refusal } from '@exequatur/kernel';
import type { Budget } from './budget.js';
import type { Uncovered } from './budget.js';
import { chargeBudgets, everyUnitHasBudget, isNotCovered } from './charge-budgets.js';
import type { Charge } from './charge-budgets.js';
import { freezeCovers } from './freeze.js';
import { agreeWithPolicyNow } from './policy-now.js';
import type { PolicyAgreement } from './policy-now.js';
import { useNoOf } from './reserve-question.js';
import type { ReserveQuestion } from './reserve-question.js';
import { chargeRun } from './run-limits.js';
import type { RunCharge } from './run-limits.js';

/** What the checks found out on the way; a later check may read what an earlier one wrote. */
export interface ReserveFindings {
  grant: Grant | undefined;
  agreement: PolicyAgreement | undefined;
  caps: Caps;
  amounts: Amounts;
  /** Charged budgets as they will be, with the hold on each. */
  charges: readonly Charge[];
  runCharges: readonly RunCharge[];
  /** The budget a refusal is about, and why; for operators, never for agents. */
  refusedBudget: Budget | undefined;
  uncoveredBecause: Uncovered | undefined;
  /** The limit, rule or circuit a refusal is about; for operators. */
  refusedBy: string | undefined;
  retryAfterMs: number | undefined;
}

export const noFindings = (): ReserveFindings => ({ grant: undefined, agreement: undefined, caps: {}, amounts: {}, charges: [], runCharges: [], refusedBudget: undefined, uncoveredBecause: undefined, refusedBy: undefined, retryAfterMs: undefined });

type Check = (question: ReserveQuestion, findings: ReserveFindings) => Refusal<Code> | undefined;
/** A check that needs the grant; the first check makes sure there is one. */
type GrantCheck = (question: ReserveQuestion, grant: Grant, findings: ReserveFindings) => Refusal<Code> | undefined;

const unless = (holds: boolean, code: Code): Refusal<Code> | undefined => (holds ? undefined : refuse(code));
const withGrant = (check: GrantCheck): Check => (question, findings) => (findings.grant === undefined ? refuse('GRANT_UNKNOWN') : check(question, findings.grant, findings));

const grantKnown: Check = ({ grant }, findings) => {
  findings.grant = grant?.claims;
  // A tombstone without a grant is the more telling answer, and comes next.
  return unless(grant?.claims !== undefined || grant?.closed !== undefined, 'GRANT_UNKNOWN');
};
const grantOpen: Check = ({ grant }) => unless(grant?.closed === undefined, 'GRANT_REVOKED');
const sameTenant = withGrant(({ caller }, grant) => unless(grant.tenant === caller.tenant, 'TENANT_MISMATCH'));
const sameScope = withGrant(({ request }, grant) => unless(request.scope_path === grant.scope_path, 'SCOPE_MISMATCH'));
const sameAgent = withGrant(({ caller, request }, grant) => {
  const asked = caller.type === 'agent' ? (request.agent ?? caller.agent) : request.agent;
  return unless(asked === grant.agent_identity && (caller.type === 'executor' || caller.agent === asked), 'AGENT_MISMATCH');
});
const sameRun = withGrant(({ request }, grant) => unless(request.run_id === grant.run_id && request.thread_id === grant.thread_id, 'RUN_MISMATCH'));
const sameKind = withGrant(({ request }, grant) => unless(request.action_kind === grant.action_kind, 'KIND_MISMATCH'));
/** A managed grant is reserved by the executor only, a self grant by the agent only. */
const sameMode = withGrant(({ caller, request }, grant) =>
  unless(request.execution_mode === grant.execution_mode && (caller.type === 'executor') === (grant.execution_mode === 'managed'), 'MODE_MISMATCH'),
);
const sameTool = withGrant(({ request }, grant) => unless(request.tool.name === grant.tool.name && request.tool.version === grant.tool.version, 'TOOL_MISMATCH'));
const sameTarget = withGrant(({ request }, grant) => unless(request.target_hash === grant.target_hash, 'TARGET_MISMATCH'));
/** Binding exact: what runs is what was granted, byte for byte. */
const sameArguments = withGrant(({ request }, grant) => unless(request.arguments_hash === grant.granted_arguments_hash, 'ARGUMENTS_MISMATCH'));
const alreadyValid = withGrant(({ nowMs }, grant) => unless(nowMs >= fromInstant(grant.not_before), 'GRANT_NOT_YET_VALID'));
const notExpired = withGrant(({ nowMs }, grant) => unless(nowMs < fromInstant(grant.expires_at), 'GRANT_EXPIRED'));
/** The caller names the use; only a free one in 1..max_uses is taken, and released ones stay spent. */
const useFree = withGrant(({ request, grant: known }, grant) => {
  const useNo = useNoOf(request);
  return unless(useNo >= 1 && useNo <= grant.max_uses && known?.usesTaken.has(useNo) === false, 'GRANT_EXHAUSTED');
});
const notFrozen = withGrant(({ freezes, caller }, grant) =>
  unless(!freezes.some((freeze) => freezeCovers(freeze, { tenant: caller.tenant, agent: grant.agent_identity, actionKind: grant.action_kind, tool: grant.tool, grantId: grant.grant_id })), 'FROZEN'),
);
const policyAgrees = withGrant(({ policy }, grant, findings) => {
  const agreement = agreeWithPolicyNow(grant, policy);
  if (isRefusal(agreement)) return agreement;
  findings.agreement = agreement;
  findings.caps = intersectCaps(grant.caps, agreement.caps);
  return undefined;
});

const POINTS = 'RISK_POINTS';
const granted = (grant: Grant): Amounts =>
  grant.amounts.reduce<Amounts>((sum, { unit, amount }) => addAmounts(sum, { [unit]: parseAmount(amount) }), { [POINTS]: BigInt(grant.risk_points) });

const pointsWithin = withGrant(({ request }, grant) => unless((request.amounts ?? []).every(({ unit, amount }) => unit !== POINTS || parseAmount(amount) <= BigInt(grant.risk_points)), 'POINTS_EXCEEDED'));

/** Units of the grant are held as granted and nobody may ask for more of them; other units are added as asked. */
const amountsWithin = withGrant(({ request }, grant, findings) => {
  const held: Record<string, bigint> = { ...granted(grant) };
  const fromGrant = new Set(Object.keys(held));
  for (const { unit, amount } of request.amounts ?? []) {
    const asked = parseAmount(amount);
    if (fromGrant.has(unit) ? asked > (held[unit] ?? 0n) : Object.hasOwn(held, unit)) return refuse('CAP_EXCEEDED', `more ${unit} than granted`, '/amounts');
    if (!fromGrant.has(unit)) held[unit] = asked;
  }
  findings.amounts = held;
  return undefined;
});

/** Of the caps, what is known when authority is reserved; whoever executes judges the rest (recipients, network, runtime). */
const RESERVED_DIMENSIONS = ['max_amount', 'environments', 'tools'] as const;

const capsHold = withGrant(({ request, nowMs }, grant, { caps, agreement, amounts }) => {
  const environment = grant.facts.environment;
  if (request.environment !== undefined && request.environment !== environment) return refuse('CAP_EXCEEDED', 'not the environment that was granted', '/environment');
  const admitted = capsAdmit(caps, { amounts, tool: grant.tool.name, ...(environment === undefined ? {} : { environment }) }, RESERVED_DIMENSIONS);
  if (admitted !== undefined) return admitted;
  if (caps.max_uses !== undefined && useNoOf(request) > caps.max_uses) return refuse('CAP_EXCEEDED', 'fewer uses are allowed now', '/use_no');
  const lifetimeMs = agreement?.caps.expires_in_ms;
  return unless(lifetimeMs === undefined || nowMs < fromInstant(grant.not_before) + lifetimeMs, 'CAP_EXCEEDED');
});

/** What one run may do altogether (`limits.run` of the policy in force). */
const runWithin = withGrant(({ policy, run, request, nowMs, caller }, grant, findings) => {
  const limits = policy?.limits?.run;
  if (limits === undefined) return undefined;
  const charged = chargeRun(limits, run ?? NEW_RUN, { tenant: caller.tenant, agent: grant.agent_identity, runId: request.run_id, nowMs, amounts: findings.amounts });
  if (typeof charged === 'string') {
    findings.refusedBy = charged;
    return refuse('RUN_LIMIT_EXCEEDED');
  }
  findings.runCharges = charged;
  return undefined;
});
const NEW_RUN = { startedAtMs: undefined, budgets: [] };

const budgetsKnown: Check = ({ budgets }, { amounts }) => unless(everyUnitHasBudget(amounts, budgets), 'BUDGET_UNKNOWN');

/** All budgets of the unit on the path and its ancestors are charged, or none is. */
const budgetsCover: Check = ({ budgets, nowMs }, findings) => {
  const charged = chargeBudgets(findings.amounts, budgets, nowMs);
  if (isNotCovered(charged)) {
    findings.refusedBudget = charged.budget;
    findings.uncoveredBecause = charged.because;
    return refuse('BUDGET_EXCEEDED');
  }
  findings.charges = charged;
  return undefined;
};

/**
 * THE ORDER OF REFUSAL. The first check that fails gives the answer, so one wrong request has one code, always the same.
 * First who and what (a caller learns nothing of a grant that is not its own), then time and uses, then what an operator
 * stopped, then policy as it is now, and budgets last, so that a budget answer always means: all else was in order.
 *
 * | check | code |
 * | --- | --- |
 * | grantKnown | GRANT_UNKNOWN: no such grant in the caller's tenant, or its signature is not its owner's |
 * | grantOpen | GRANT_REVOKED: revoked, or its action withdrawn |
 * | sameTenant | TENANT_MISMATCH: presented grants only; an id of another tenant reads as unknown |
 * | sameScope, sameAgent, sameRun, sameKind, sameMode, sameTool, sameTarget, sameArguments | the binding's own code |
 * | alreadyValid, notExpired | GRANT_NOT_YET_VALID, GRANT_EXPIRED |
 * | useFree | GRANT_EXHAUSTED: use_no is taken or not in 1..max_uses |
 * | notFrozen | FROZEN |
 * | policyAgrees | POLICY_NOT_YET_KNOWN (never stored), POLICY_CHANGED_DENY, POLICY_CHANGED_APPROVAL_REQUIRED |
 * | pointsWithin | POINTS_EXCEEDED: more RISK_POINTS asked than granted |
 * | amountsWithin, capsHold | CAP_EXCEEDED: more of a granted unit asked than granted, or a cap of grant ∩ policy is exceeded |
 * | runWithin | RUN_LIMIT_EXCEEDED: a limit of the policy on one run
 * | budgetsKnown | BUDGET_UNKNOWN: a unit without any budget on the path |
 * | budgetsCover | BUDGET_EXCEEDED: held + committed would pass a cap somewhere on the path, or a budget there is closed, in debt or over its limit |
 */
export const RESERVE_CHECKS: readonly { readonly name: string; readonly check: Check }[] = Object.entries({
  grantKnown,
  grantOpen,
  sameTenant,
  sameScope,
  sameAgent,
  sameRun,
  sameKind,
  sameMode,
  sameTool,
  sameTarget,
  sameArguments,
  alreadyValid,
  notExpired,
  useFree,
  notFrozen,
  policyAgrees,
  pointsWithin,
  amountsWithin,
  capsHold,
  runWithin,
  budgetsKnown,
  budgetsCover,
}).map(([name, check]) => ({ name, check }));
