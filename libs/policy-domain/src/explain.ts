import type { Caps, PolicyFacts } from '@exequatur/contracts';
import { judgementOn } from './candidates.js';
import type { JudgedRule } from './candidates.js';
import type { ConditionLanguage } from './condition.js';
import { evaluate, withoutClaims } from './evaluate.js';
import { amountsOf } from './amounts.js';
import { kindMatches } from './match-rule.js';
import type { Subject } from './match-rule.js';
import { nearestKinds } from './nearest-kinds.js';
import type { Policy, PolicyDecision, PolicyRule } from './policy.js';
import { preparedPolicy } from './prepare-policy.js';
import type { PreparedPolicy } from './prepare-policy.js';
import type { Ruling } from './ruling.js';

/** `missing`: it reads a fact that is not there, or cannot be evaluated. `outside`: it would allow, but not this much. */
export type RuleResult = 'matched' | 'not_matched' | 'missing' | 'outside' | 'excepted';

export interface ExplainedRule {
  readonly rule_id: string;
  readonly decision: PolicyDecision;
  readonly result: RuleResult;
  /** the conditions that decided it, each with its answer */
  readonly why: readonly string[];
}

export interface ExplainedFact {
  readonly fact: string;
  readonly value: unknown;
  readonly source: 'derived' | 'claimed';
}

export interface Explanation {
  readonly ruling: Ruling;
  readonly registered: boolean;
  /** where the kind is unknown */
  readonly nearest_kinds: readonly string[];
  /** every rule of the policy, in its order */
  readonly rules: readonly ExplainedRule[];
  readonly facts: readonly ExplainedFact[];
  /** caps that were intersected into those of the ruling, by the rule they come from */
  readonly caps: readonly { readonly rule_id: string; readonly caps: Caps }[];
}

/** Why policy says what it says about facts: every rule that was considered, and what was derived and what only claimed. */
export const explain = (policy: Policy, registered: ReadonlySet<string>, facts: PolicyFacts, language?: ConditionLanguage): Explanation => {
  const prepared = preparedPolicy(policy, registered, language);
  const plan = prepared.planOf(facts.action_kind);
  const { judged } = judgementOn(prepared, plan, facts);
  const byId = new Map(judged.map((one) => [one.rule.id, one]));
  const subject: Subject = { facts, amounts: amountsOf(facts.amounts), actionClass: plan.actionClass };
  const ruling = evaluate(policy, registered, facts, language);
  const named = ruling.rule_id.split('+');
  return {
    ruling,
    registered: plan.registered,
    nearest_kinds: plan.registered ? [] : nearestKinds(registered, facts.action_kind),
    rules: policy.rules.map((rule) => explained(prepared, rule, byId.get(rule.id), subject)),
    facts: explainedFacts(facts),
    caps: judged.flatMap(({ rule, candidate }) => (candidate?.caps !== undefined && named.includes(rule.id) ? [{ rule_id: rule.id, caps: candidate.caps }] : [])),
  };
};

const RESULT: Readonly<Record<JudgedRule['result'], RuleResult>> = { yes: 'matched', no: 'not_matched', missing: 'missing', outside: 'outside', excepted: 'excepted' };

const explained = (prepared: PreparedPolicy, rule: PolicyRule, judged: JudgedRule | undefined, subject: Subject): ExplainedRule => {
  const common = { rule_id: rule.id, decision: rule.decision };
  if (judged === undefined) return { ...common, result: 'not_matched', why: [otherKind(prepared, rule, subject)] };
  return { ...common, result: RESULT[judged.result], why: reasons(prepared, rule, judged, subject) };
};

const otherKind = ({ registered }: PreparedPolicy, { match }: PolicyRule, { facts, actionClass }: Subject): string => {
  const kindFits = match.kind === undefined || match.kind.some((pattern) => kindMatches(pattern, facts.action_kind, registered.has(facts.action_kind)));
  return kindFits ? `class: ${actionClass ?? 'none'} is not ${(match.class ?? []).join(' or ')}` : `kind: ${facts.action_kind} is not ${(match.kind ?? []).join(' or ')}`;
};

const reasons = (prepared: PreparedPolicy, rule: PolicyRule, { result, candidate }: JudgedRule, subject: Subject): readonly string[] => {
  if (result === 'excepted') return [`unless: rule ${rule.unless ?? ''} applies`];
  if (result === 'outside') return ['caps: the action is outside them, or does not state what they bound'];
  const ready = prepared.planOf(subject.facts.action_kind).rules.find((one) => one.rule === rule);
  const answers = (ready?.checks ?? []).map(({ field, ask }) => [field, ask(subject)] as const);
  const wanted = result === 'yes' ? 'yes' : result;
  const why = answers.filter(([, answer]) => answer === wanted).map(([field]) => (wanted === 'yes' ? `${field}: holds` : wanted === 'missing' ? `${field}: a fact is missing, or it cannot be evaluated` : `${field}: does not hold`));
  return candidate !== undefined && candidate.decision !== rule.decision ? [...why, `comes to ${candidate.decision}: ${candidate.reason ?? ''}`] : why;
};

/** Fields that rules read, in the order of the contract. What the agent's claims add is told apart from what the server found. */
const explainedFacts = (facts: PolicyFacts): readonly ExplainedFact[] => {
  const { derived: _derived, ...stated } = facts;
  const known: Readonly<Record<string, unknown>> = withoutClaims(facts);
  const same = (a: unknown, b: unknown): boolean => JSON.stringify(a) === JSON.stringify(b);
  return Object.entries(stated).map(([fact, value]): ExplainedFact => ({ fact, value, source: ALWAYS_CLAIMED.has(fact) || !same(known[fact], value) ? 'claimed' : 'derived' }));
};

/** Said by the agent by their nature; who it is, and for whom, comes from its credential. */
const ALWAYS_CLAIMED = new Set(['run_id', 'has_evidence', 'has_reversal', 'confidence', 'execution_mode']);
