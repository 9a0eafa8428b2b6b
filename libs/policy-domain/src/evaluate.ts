import type { PolicyFacts } from '@exequatur/contracts';
import { parseAmount } from '@exequatur/kernel';
import { amountsOf } from './amounts.js';
import { judgeTool } from './judge-tool.js';
import { matchRule } from './match-rule.js';
import type { MatchResult } from './match-rule.js';
import { DEFAULT_DEMAND } from './parse-consequence.js';
import { DECISIONS } from './policy.js';
import type { ClassRequirements, Policy, PolicyDecision, PolicyRule } from './policy.js';
import { classOf } from './registered-kinds.js';
import { combine } from './ruling.js';
import type { Candidate, Ruling } from './ruling.js';

/** More stages than the contract carries: a policy that stacks this many cannot be answered by people. */
const MAX_STAGES = 10;
const UNKNOWN = 'default:unknown';

/**
 * Policy's answer to facts. Depends on its three arguments only, so that policy and reservations come to the same one.
 * The strictest matching rule wins; among equals caps intersect and approvals stack. No rule: the class default. No class,
 * or a kind outside `registered`: quarantine, whatever else allows. A rule that reads a fact that is missing: quarantine.
 * The tool table has its say too, so that a version it no longer allows is refused when authority is taken up.
 * @param registered kinds that globs may match (`registered_kinds` of the published policy)
 */
export const evaluate = (policy: Policy, registered: ReadonlySet<string>, facts: PolicyFacts): Ruling => {
  const isRegistered = registered.has(facts.action_kind);
  const actionClass = isRegistered ? classOf(policy, facts.action_kind) : undefined;
  const judged = judgeRules(policy, facts, { registered: isRegistered, actionClass });
  const rulesWith = (wanted: MatchResult): readonly PolicyRule[] => judged.filter(([, result]) => result === wanted).map(([rule]) => rule);
  const matching: readonly Candidate[] = rulesWith('yes');
  const unreadable = rulesWith('missing').map(({ id }) => set(id, 'QUARANTINED_POLICY_ERROR', `Rule ${id} reads a fact that this action does not state`));
  // Rules without a kind match unregistered kinds too: only a deny may, so the unknown stands beside them.
  const unknown = isRegistered || matching.length === 0 ? [] : [classDefault(policy, undefined, facts)];
  // Only a rule that matches stands in place of the class default; one that cannot be read must not weaken it.
  const candidates = [...(matching.length > 0 ? matching : [classDefault(policy, actionClass, facts)]), ...judgeTool(policy, facts), ...unreadable, ...unknown];
  const winning = withOutside(candidates, rulesWith('outside'));
  const decision = strictest(winning);
  const ruling = combine(
    winning.filter((candidate) => candidate.decision === decision),
    decision,
    FALLBACK_REASON[decision],
  );
  const bounded = (ruling.demand?.stages.length ?? 0) > MAX_STAGES ? combine([set(ruling.rule_id, 'QUARANTINED_POLICY_ERROR', `The matching rules ask for more than ${MAX_STAGES} approval stages`)], 'quarantine', '') : ruling;
  return { ...bounded, ...(actionClass === undefined ? {} : { action_class: actionClass }), on_silence: policy.classes[actionClass ?? '']?.on_silence ?? 'unknown' };
};

const FALLBACK_REASON: Readonly<Record<PolicyDecision, string>> = {
  allow: 'Allowed by policy',
  allow_with_caps: 'Allowed by policy within caps',
  require_approval: 'Policy asks for approval',
  quarantine: 'Policy sets this aside',
  deny: 'Denied by policy',
};

const set = (id: string, code: NonNullable<Candidate['code']>, reason: string): Candidate => ({ decision: 'quarantine', id, code, reason });

/** Each rule with its result; one that another rule excepts (`unless`) does not match. */
const judgeRules = (policy: Policy, facts: PolicyFacts, kind: Parameters<typeof matchRule>[2]): readonly (readonly [PolicyRule, MatchResult])[] => {
  const raw = new Map(policy.rules.map((rule) => [rule.id, matchRule(rule, facts, kind)]));
  return policy.rules.map((rule) => [rule, rule.unless !== undefined && raw.get(rule.unless) === 'yes' ? 'no' : (raw.get(rule.id) ?? 'no')] as const);
};

/** A rule that allows up to a cap says that more is not simply allowed: then only people may, or it is set aside. */
const withOutside = (candidates: readonly Candidate[], outside: readonly PolicyRule[]): readonly Candidate[] => {
  if (outside.length === 0 || rank(strictest(candidates)) >= rank('require_approval')) return candidates;
  return [...candidates, ...outside.map(({ id }) => set(id, 'QUARANTINED_OUT_OF_BOUNDS', `The action is outside the caps of rule ${id}`))];
};

const rank = (decision: PolicyDecision): number => DECISIONS.indexOf(decision);

const strictest = (candidates: readonly Candidate[]): PolicyDecision => DECISIONS[Math.max(...candidates.map(({ decision }) => rank(decision)))] ?? 'quarantine';

const classDefault = (policy: Policy, name: string | undefined, facts: PolicyFacts): Candidate => {
  const entry = name === undefined ? undefined : policy.classes[name];
  if (entry === undefined) return set(UNKNOWN, 'QUARANTINED_UNKNOWN_KIND', 'This action kind is not registered, or in no class');
  const id = `class:${name}`;
  const unmet = entry.requires === undefined ? undefined : unmetRequirement(entry.requires, facts);
  if (unmet !== undefined) return { decision: 'require_approval', id, approval: DEFAULT_DEMAND, reason: unmet };
  return { ...entry, decision: entry.default, id };
};

const unmetRequirement = (requires: ClassRequirements, facts: PolicyFacts): string | undefined => {
  if (requires.evidence === true && !facts.has_evidence) return 'Allowed without a person only with evidence';
  if (requires.reversal === true && !facts.has_reversal) return 'Allowed without a person only with a way to reverse it';
  if (requires.max_risk_points !== undefined && facts.risk_points > requires.max_risk_points) return `Allowed without a person only up to ${requires.max_risk_points} risk points`;
  const amounts = amountsOf(facts.amounts);
  const over = Object.entries(requires.max_amount ?? {}).find(([unit, limit]) => (amounts[unit] ?? 0n) > parseAmount(limit));
  return over === undefined ? undefined : `Allowed without a person only up to ${over[1]} ${over[0]}`;
};
