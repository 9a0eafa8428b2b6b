import type { PolicyFacts } from '@exequatur/contracts';
import { levelOpinion } from './autonomy.js';
import { judgementOn, setAside, strictest } from './candidates.js';
import type { ConditionLanguage } from './condition.js';
import { isInside } from './match-rule.js';
import type { Policy, PolicyDecision, PolicyLayer } from './policy.js';
import { preparedPolicy } from './prepare-policy.js';
import type { KindPlan, PreparedPolicy } from './prepare-policy.js';
import { combine } from './ruling.js';
import type { Candidate, Ruling } from './ruling.js';
import { strictestOf } from './strictest-of.js';

/** More stages than the contract carries: a policy that stacks this many cannot be answered by people. */
const MAX_STAGES = 10;

/**
 * Policy's answer to facts. Depends on its arguments only, so that policy and reservations come to the same one.
 * The strictest matching rule wins; among equals caps intersect and approvals stack. No rule: the class default. No class,
 * or a kind outside `registered`: quarantine, whatever else allows. A rule that reads a fact that is missing, or whose
 * condition cannot be evaluated: quarantine. The tool table has its say too, so that a version it no longer allows is refused
 * when authority is taken up. Facts that the agent's claims add to are judged with and without the claims, and what either
 * says counts: claims add scrutiny, and never take it away. The layers of a composed policy are asked the same way, each by
 * itself, and so is the autonomy of the agent; the strictest answer holds (strictest-of.ts).
 * @param registered kinds that globs may match (`registered_kinds` of the published policy)
 * @param language of conditions; without it every rule that has one cannot be evaluated
 */
export const evaluate = (policy: Policy, registered: ReadonlySet<string>, facts: PolicyFacts, language?: ConditionLanguage): Ruling => {
  const prepared = preparedPolicy(policy, registered, language);
  const plan = prepared.planOf(facts.action_kind);
  const own = rulingOf(prepared, plan, candidatesOn(prepared, plan, facts));
  if (policy.layers === undefined && policy.levels === undefined) return answerable(own);
  const layered = strictestOf(own, layerOpinions(policy, registered, facts, language));
  // A level says who is asked, nothing about arguments.
  const level = levelOpinion(policy, facts, layered);
  return answerable(level === undefined ? layered : strictestOf(layered, [layered.varies === undefined ? level : { ...level, varies: layered.varies }]));
};

/** What the layers that hold for this scope say, each by its own rules and classes. */
const layerOpinions = (policy: Policy, registered: ReadonlySet<string>, facts: PolicyFacts, language: ConditionLanguage | undefined): readonly Ruling[] =>
  layersOn(policy, facts).flatMap((layer) => {
    const prepared = preparedPolicy(layer.policy, registered, language, true);
    const plan = prepared.planOf(facts.action_kind);
    const candidates = candidatesOn(prepared, plan, facts);
    if (candidates.length === 0) return [];
    const { action_class: _own, ...ruling } = rulingOf(prepared, plan, candidates.map((candidate) => ({ ...candidate, id: `${layer.name}/${candidate.id}` })));
    // A layer that classes the kind says what silence means; one that only has rules about it does not.
    return [{ ...ruling, on_silence: plan.actionClass === undefined ? ('expire' as const) : ruling.on_silence }];
  });

/** The layers whose scope covers the action. */
export const layersOn = ({ layers }: Policy, { scope_path: scopePath }: PolicyFacts): readonly PolicyLayer[] => (layers ?? []).filter(({ scope }) => scope === undefined || isInside(scope, scopePath));

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
  return { ...ruling, ...(actionClass === undefined ? {} : { action_class: actionClass }), on_silence: policy.classes[actionClass ?? '']?.on_silence ?? 'unknown' };
};

const answerable = (ruling: Ruling): Ruling => {
  if ((ruling.demand?.stages.length ?? 0) <= MAX_STAGES) return ruling;
  const tooMany = combine([setAside(ruling.rule_id, 'QUARANTINED_POLICY_ERROR', `The matching rules ask for more than ${MAX_STAGES} approval stages`)], 'quarantine', '');
  return { ...tooMany, ...(ruling.action_class === undefined ? {} : { action_class: ruling.action_class }), on_silence: ruling.on_silence };
};

const FALLBACK_REASON: Readonly<Record<PolicyDecision, string>> = {
  allow: 'Allowed by policy',
  allow_with_caps: 'Allowed by policy within caps',
  require_approval: 'Policy asks for approval',
  quarantine: 'Policy sets this aside',
  deny: 'Denied by policy',
};
