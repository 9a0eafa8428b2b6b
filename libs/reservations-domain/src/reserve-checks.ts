import { capsAdmit, intersectCaps, normalCaps } from '@exequatur/caps';
import type { Caps, Grant } from '@exequatur/contracts';
import { fromInstant, isRefusal, parseAmount, refuse } from '@exequatur/kernel';
import type { Amounts } from '@exequatur/kernel';
import { BINDING_CHECKS, unless, withGrant } from './binding-checks.js';
import type { Check } from './binding-checks.js';
import { chargeBudgets, everyUnitHasBudget, isNotCovered } from './charge-budgets.js';
import { circuitCovers } from './circuit.js';
import { freezeCovers } from './freeze.js';
import { agentsBehind, chainCaps, chargeChain, isChainRefusal, velocitySubjects } from './judge-delegation.js';
import type { DelegationChain } from './judge-delegation.js';
import { agreeWithPolicyNow } from './policy-now.js';
import { useNoOf } from './reserve-question.js';
import type { ReserveFindings } from './reserve-findings.js';
import { chargeRun } from './run-limits.js';
import { countVelocity, isVelocityExceeded, velocityKeysOf } from './velocity.js';

const alreadyValid = withGrant(({ nowMs }, grant) => unless(nowMs >= fromInstant(grant.not_before), 'GRANT_NOT_YET_VALID'));
const notExpired = withGrant(({ nowMs }, grant) => unless(nowMs < fromInstant(grant.expires_at), 'GRANT_EXPIRED'));
/** The caller names the use; only a free one in 1..max_uses is taken, and released ones stay spent. */
const useFree = withGrant(({ request, grant: known }, grant) => {
  const useNo = useNoOf(request);
  return unless(useNo >= 1 && useNo <= grant.max_uses && known?.usesTaken.has(useNo) === false, 'GRANT_EXHAUSTED');
});

const notFrozen = withGrant(({ freezes, caller, request }, grant, { delegations }) => {
  if (freezes.length === 0) return undefined;
  const { action_kind: actionKind, tool, grant_id: grantId, scope_path: scopePath } = grant;
  const frozen = agentsBehind(grant, delegations).some((agent) => freezes.some((freeze) => freezeCovers(freeze, { tenant: caller.tenant, agent, actionKind, tool, grantId, scopePath, runId: request.run_id })));
  return unless(!frozen, 'FROZEN');
});

/** An open circuit pauses an agent; a half-open one lets as many claims through as a person said. */
const circuitClosed = withGrant(({ circuits }, grant, findings) => {
  if (circuits === undefined || circuits.length === 0) return undefined;
  const standing = agentsBehind(grant, findings.delegations).flatMap((agent) => circuits.filter((circuit) => circuitCovers(circuit, agent, grant.action_kind)));
  const open = standing.find(({ status, probesLeft }) => status === 'Open' || probesLeft < 1);
  if (open !== undefined) {
    findings.refusedBy = open.circuitId;
    return refuse('CIRCUIT_OPEN');
  }
  if (standing.length > 0) findings.probes = standing.map(({ circuitId }) => circuitId);
  return undefined;
});

const policyAgrees = withGrant(({ policy }, grant, findings) => {
  const agreement = agreeWithPolicyNow(grant, policy);
  if (isRefusal(agreement)) return agreement;
  findings.agreement = agreement;
  const caps = isUnlimited(agreement.caps) ? (isUnlimited(grant.caps) ? grant.caps : normalCaps(grant.caps)) : intersectCaps(grant.caps, agreement.caps);
  findings.caps = findings.delegations === undefined ? caps : chainCaps(findings.delegations, caps);
  return undefined;
});
const isUnlimited = (caps: Caps): boolean => {
  for (const _ in caps) return false;
  return true;
};

const POINTS = 'RISK_POINTS';

/** What one use of the grant holds, by unit; a bounded use holds what it asks for. */
const granted = (grant: Grant, bounded: Amounts | undefined): Record<string, bigint> => {
  const held: Record<string, bigint> = { [POINTS]: BigInt(grant.risk_points) };
  for (const { unit, amount } of grant.amounts) held[unit] = (held[unit] ?? 0n) + parseAmount(amount);
  return bounded === undefined ? held : { ...held, ...bounded };
};

const pointsWithin = withGrant(({ request }, grant) => unless(request.amounts?.every(({ unit, amount }) => unit !== POINTS || parseAmount(amount) <= BigInt(grant.risk_points)) ?? true, 'POINTS_EXCEEDED'));

/** Units of the grant are held as granted and nobody may ask for more of them; other units are added as asked. */
const amountsWithin = withGrant(({ request }, grant, findings) => {
  const held = granted(grant, findings.boundedUse?.amounts);
  findings.amounts = held;
  if (request.amounts === undefined || request.amounts.length === 0) return undefined;
  const fromGrant = new Set(Object.keys(held));
  for (const { unit, amount } of request.amounts) {
    const asked = parseAmount(amount);
    if (fromGrant.has(unit) ? asked > (held[unit] ?? 0n) : Object.hasOwn(held, unit)) return refuse('CAP_EXCEEDED', `more ${unit} than granted`, '/amounts');
    if (!fromGrant.has(unit)) held[unit] = asked;
  }
  return undefined;
});

/** Points and amounts across all uses of the grant, and of every delegation the claim is charged to. */
const totalsWithin = withGrant(({ grant: known }, grant, findings) => {
  if (grant.total_points !== undefined || grant.total_amounts !== undefined) {
    const claimed: Record<string, bigint> = { ...known?.claimed };
    for (const unit in findings.amounts) claimed[unit] = (claimed[unit] ?? 0n) + (findings.amounts[unit] ?? 0n);
    if (grant.total_points !== undefined && (claimed[POINTS] ?? 0n) > BigInt(grant.total_points)) return refuse('POINTS_EXCEEDED');
    if (grant.total_amounts?.some(({ unit, amount }) => (claimed[unit] ?? 0n) > parseAmount(amount)) === true) return refuse('GRANT_EXHAUSTED');
    findings.claimed = claimed;
  }
  if (findings.delegations === undefined) return undefined;
  const charged = chargeChain(findings.delegations, findings.amounts);
  if (isChainRefusal(charged)) {
    findings.refusedBy = charged.delegationId;
    return charged.refusal;
  }
  findings.chargedDelegations = charged;
  return undefined;
});

/** Of the caps, what is known when authority is reserved; whoever executes judges the rest (recipients, network, runtime). */
const RESERVED_DIMENSIONS = ['max_amount', 'environments', 'tools'] as const;

/**
 * A total that a newer policy, or a delegation, sets. A grant with totals of its own knows what its uses have claimed; of
 * another one use n counts as n times what a use holds, and of a unit that the grant does not fix nothing is known.
 */
const isPastTotal = (limits: NonNullable<Caps['max_total']>, grant: Grant, { amounts, claimed }: ReserveFindings, useNo: number): boolean => {
  const perUse = claimed === undefined ? granted(grant, undefined) : undefined;
  return Object.entries(limits).some(([unit, limit]) => {
    if (amounts[unit] === undefined) return false;
    const total = perUse === undefined ? claimed?.[unit] : perUse[unit] === undefined ? undefined : perUse[unit] * BigInt(useNo);
    return total === undefined || total > parseAmount(limit);
  });
};

/** Of a use with other arguments than those granted: the first that a newer policy does not let differ, or not so far. */
const variesNoMore = (grant: Grant, { agreement, boundedUse }: ReserveFindings): string | undefined => {
  const now = agreement?.varies;
  if (boundedUse === undefined || now === undefined || boundedUse.argumentsHash === grant.granted_arguments_hash) return undefined;
  return grant.bounded?.find(({ pointer, one_of: granted }) => !now.some(({ argument, one_of: listed }) => argument === pointer && (granted === undefined ? listed === undefined : granted.every((text) => listed?.includes(text) === true))))?.pointer;
};

const capsHold = withGrant(({ request, nowMs }, grant, findings) => {
  const { caps, agreement, amounts } = findings;
  const fixedNow = variesNoMore(grant, findings);
  if (fixedNow !== undefined) return refuse('CAP_EXCEEDED', 'this may not differ from use to use any more', fixedNow);
  const environment = grant.facts.environment;
  if (request.environment !== undefined && request.environment !== environment) return refuse('CAP_EXCEEDED', 'not the environment that was granted', '/environment');
  if (isUnlimited(caps)) return undefined;
  const admitted = capsAdmit(caps, { amounts, tool: grant.tool.name, ...(environment === undefined ? {} : { environment }) }, RESERVED_DIMENSIONS);
  if (admitted !== undefined) return admitted;
  if (caps.max_uses !== undefined && useNoOf(request) > caps.max_uses) return refuse('CAP_EXCEEDED', 'fewer uses are allowed now', '/use_no');
  if (caps.max_total !== undefined && isPastTotal(caps.max_total, grant, findings, useNoOf(request))) return refuse('CAP_EXCEEDED', 'less altogether is allowed now', '/amounts');
  const lifetimeMs = agreement?.caps.expires_in_ms;
  return unless(lifetimeMs === undefined || nowMs < fromInstant(grant.not_before) + lifetimeMs, 'CAP_EXCEEDED');
});

/** How often, or how much, in a window (`limits.velocity` of the policy in force). */
const velocityWithin = withGrant(({ policy, velocity, nowMs }, grant, findings) => {
  const rules = policy?.limits?.velocity;
  if (rules === undefined || rules.length === 0) return undefined;
  const subjects = velocitySubjects(grant, findings.delegations);
  // Rules without the rows they are judged on: closed, rather than counted from nothing each time.
  if (velocity === undefined) return unless(velocityKeysOf(rules, subjects, nowMs).length === 0, 'VELOCITY_EXCEEDED');
  const counted = countVelocity(rules, subjects, findings.amounts, velocity, nowMs);
  if (isVelocityExceeded(counted)) {
    findings.refusedBy = counted.ruleId;
    findings.retryAfterMs = counted.retryAfterMs;
    return refuse('VELOCITY_EXCEEDED');
  }
  findings.velocity = counted;
  return undefined;
});

/** What one run may do altogether (`limits.run` of the policy in force). */
const runWithin = withGrant(({ policy, run, request, nowMs, caller }, grant, findings) => {
  const limits = policy?.limits?.run;
  if (limits === undefined) return undefined;
  // Limits without the state they are judged on: closed, here as above.
  if (run === undefined) return refuse('RUN_LIMIT_EXCEEDED');
  const charged = chargeRun(limits, run, { tenant: caller.tenant, agent: runOwner(grant, findings.delegations), runId: request.run_id, nowMs, amounts: findings.amounts });
  if (typeof charged === 'string') {
    findings.refusedBy = charged;
    return refuse('RUN_LIMIT_EXCEEDED');
  }
  findings.runCharges = charged;
  return undefined;
});
/** A child works in its parent's run: one limit for all of them. */
const runOwner = (grant: Grant, chain: DelegationChain | undefined): string => chain?.at(-1)?.fromAgent ?? grant.agent_identity;

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
 * | sameScope, sameAgent, sameRun, sameKind, sameMode, sameTool, sameTarget, sameArguments | the binding's own code; a child's delegation is judged with the agent: GRANT_UNKNOWN, AGENT_MISMATCH, GRANT_REVOKED, GRANT_EXPIRED; a bounded value outside its bound: CAP_EXCEEDED |
 * | handedOn | SCOPE_, KIND_, TOOL_, TARGET_MISMATCH: what the delegation a child asks under does not hand on |
 * | alreadyValid, notExpired | GRANT_NOT_YET_VALID, GRANT_EXPIRED |
 * | useFree | GRANT_EXHAUSTED: use_no is taken or not in 1..max_uses |
 * | notFrozen | FROZEN |
 * | circuitClosed | CIRCUIT_OPEN: of the agent, of the agent and kind, or of an agent behind it |
 * | policyAgrees | POLICY_NOT_YET_KNOWN (never stored), POLICY_CHANGED_DENY, POLICY_CHANGED_APPROVAL_REQUIRED |
 * | pointsWithin | POINTS_EXCEEDED: more RISK_POINTS asked than granted |
 * | amountsWithin | CAP_EXCEEDED: more of a granted unit asked than granted |
 * | totalsWithin | POINTS_EXCEEDED, GRANT_EXHAUSTED: points or amounts across all uses of the grant, or of a delegation |
 * | capsHold | CAP_EXCEEDED: a cap of grant ∩ policy ∩ delegations is exceeded |
 * | velocityWithin | VELOCITY_EXCEEDED, with how long to wait |
 * | runWithin | RUN_LIMIT_EXCEEDED: a limit of the policy on one run
 * | budgetsKnown | BUDGET_UNKNOWN: a unit without any budget on the path |
 * | budgetsCover | BUDGET_EXCEEDED: held + committed would pass a cap somewhere on the path, or a budget there is closed, in debt or over its limit |
 */
export const RESERVE_CHECKS: readonly { readonly name: string; readonly check: Check }[] = Object.entries({
  ...BINDING_CHECKS,
  alreadyValid,
  notExpired,
  useFree,
  notFrozen,
  circuitClosed,
  policyAgrees,
  pointsWithin,
  amountsWithin,
  totalsWithin,
  capsHold,
  velocityWithin,
  runWithin,
  budgetsKnown,
  budgetsCover,
}).map(([name, check]) => ({ name, check }));
