import type { PolicyFacts } from '@exequatur/contracts';
import { judgementOn, setAside, strictest } from './candidates.js';
import type { ConditionLanguage } from './condition.js';
import type { Policy, PolicyDecision } from './policy.js';
import { preparedPolicy } from './prepare-policy.js';
import type { KindPlan, PreparedPolicy } from './prepare-policy.js';
import { combine } from './ruling.js';
import type { Candidate, Ruling } from './ruling.js';

/** More stages than the contract carries: a policy that stacks this many cannot be answered by people. */
const MAX_STAGES = 10;

/**
 * Policy's answer to facts. Depends on its arguments only, so that policy and reservations come to the same one.
 * The strictest matching rule wins; among equals caps intersect and approvals stack. No rule: the class default. No class,
 * or a kind outside `registered`: quarantine, whatever else allows. A rule that reads a fact that is missing, or whose
 * condition cannot be evaluated: quarantine. The tool table has its say too, so that a version it no longer allows is refused
 * when authority is taken up. Facts that the agent's claims add to are judged with and without the claims, and what either
 * says counts: claims add scrutiny, and never take it away.
 * @param registered kinds that globs may match (`registered_kinds` of the published policy)
 * @param language of conditions; without it every rule that has one cannot be evaluated
 */
export const evaluate = (policy: Policy, registered: ReadonlySet<string>, facts: PolicyFacts, language?: ConditionLanguage): Ruling => {
  const prepared = preparedPolicy(policy, registered, language);
  const plan = prepared.planOf(facts.action_kind);
  return rulingOf(prepared, plan, candidatesOn(prepared, plan, facts));
};

/** The candidates of a judgement with the agent's claims and of one without them, each once. */
const candidatesOn = (prepared: PreparedPolicy, plan: KindPlan, facts: PolicyFacts): readonly Candidate[] => {
  const { candidates } = judgementOn(prepared, plan, facts);
  const unclaimed = withoutClaims(facts);
  if (unclaimed === facts) return candidates;
  const seen = new Set(candidates.map(({ id, decision }) => `${decision} ${id}`));
  return [...candidates, ...judgementOn(prepared, plan, unclaimed).candidates.filter(({ id, decision }) => !seen.has(`${decision} ${id}`))];
};

/** Facts as the server knows them by itself. The same object where claims add nothing. */
export const withoutClaims = (facts: PolicyFacts): PolicyFacts => {
  const { derived, environment: _claimed, ...rest } = facts;
  return derived === undefined ? facts : { ...rest, ...derived };
};

const rulingOf = ({ policy }: PreparedPolicy, { actionClass }: KindPlan, candidates: readonly Candidate[]): Ruling => {
  const decision = strictest(candidates);
  const ruling = combine(
    candidates.filter((candidate) => candidate.decision === decision),
    decision,
    FALLBACK_REASON[decision],
  );
  const bounded = (ruling.demand?.stages.length ?? 0) > MAX_STAGES ? combine([setAside(ruling.rule_id, 'QUARANTINED_POLICY_ERROR', `The matching rules ask for more than ${MAX_STAGES} approval stages`)], 'quarantine', '') : ruling;
  return { ...bounded, ...(actionClass === undefined ? {} : { action_class: actionClass }), on_silence: policy.classes[actionClass ?? '']?.on_silence ?? 'unknown' };
};

const FALLBACK_REASON: Readonly<Record<PolicyDecision, string>> = {
  allow: 'Allowed by policy',
  allow_with_caps: 'Allowed by policy within caps',
  require_approval: 'Policy asks for approval',
  quarantine: 'Policy sets this aside',
  deny: 'Denied by policy',
};
