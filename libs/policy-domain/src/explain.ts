import type { AutonomyLevel, Caps, PolicyFacts } from '@exequatur/contracts';
import { levelOf } from './autonomy.js';
import { judgementOn } from './candidates.js';
import type { JudgedRule } from './candidates.js';
import type { ConditionLanguage } from './condition.js';
import { evaluate, layersOn, withoutClaims } from './evaluate.js';
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
  /** every rule of the tenant's policy, in its order, then those of the layers that hold for this scope (`organisation/…`) */
  readonly rules: readonly ExplainedRule[];
  readonly facts: readonly ExplainedFact[];
  /** what the level of the agent for this kind adds; absent where it has none */
  readonly autonomy?: AutonomyLevel;
  /** caps that were intersected into those of the ruling, by the rule they come from */
  readonly caps: readonly { readonly rule_id: string; readonly caps: Caps }[];
}

/** Why policy says what it says about facts: every rule that was considered, and what was derived and what only claimed. */
export const explain = (policy: Policy, registered: ReadonlySet<string>, facts: PolicyFacts, language?: ConditionLanguage): Explanation => {
  const own = preparedPolicy(policy, registered, language);
  const ruling = evaluate(policy, registered, facts, language);
  const isRegistered = own.planOf(facts.action_kind).registered;
  const parts = [partOf('', own, facts), ...layersOn(policy, facts).map((layer) => partOf(`${layer.name}/`, preparedPolicy(layer.policy, registered, language, true), facts))];
  const level = levelOf(policy, facts.agent, facts.action_kind);
  return {
    ruling,
    registered: isRegistered,
    nearest_kinds: isRegistered ? [] : nearestKinds(registered, facts.action_kind),
    rules: parts.flatMap(({ rules }) => rules),
    facts: explainedFacts(facts),
    ...(level === undefined ? {} : { autonomy: level }),
    caps: capsBehind(ruling, parts),
  };
};

interface ExplainedPart {
  readonly rules: readonly ExplainedRule[];
  readonly caps: Explanation['caps'];
}

/** Rules of the tenant's policy, or of one layer of it, with the prefix that rulings name them by. */
const partOf = (prefix: string, prepared: PreparedPolicy, facts: PolicyFacts): ExplainedPart => {
  const plan = prepared.planOf(facts.action_kind);
  const { judged } = judgementOn(prepared, plan, facts);
  const byId = new Map(judged.map((one) => [one.rule.id, one]));
  const subject: Subject = { facts, amounts: amountsOf(facts.amounts), actionClass: plan.actionClass };
  return {
    rules: prepared.policy.rules.map((rule) => ({ ...explained(prepared, rule, byId.get(rule.id), subject), rule_id: `${prefix}${rule.id}` })),
    caps: judged.flatMap(({ rule, candidate }) => (candidate?.caps === undefined ? [] : [{ rule_id: `${prefix}${rule.id}`, caps: candidate.caps }])),
  };
};

/** A composed policy takes the caps of every part that lets the action through; one without layers those of the rules it names. */
const capsBehind = ({ rule_id: ruleId, caps }: Ruling, parts: readonly ExplainedPart[]): Explanation['caps'] => {
  if (Object.keys(caps).length === 0) return [];
  const named = ruleId.split('+');
  return parts.flatMap((part) => (parts.length > 1 ? part.caps : part.caps.filter(({ rule_id: id }) => named.includes(id))));
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
