import type { PolicyFacts } from '@exequatur/contracts';
import { parseAmount } from '@exequatur/kernel';
import type { Amounts } from '@exequatur/kernel';
import { amountsOf } from './amounts.js';
import { judgeTool } from './judge-tool.js';
import { admits, matchRule } from './match-rule.js';
import type { MatchResult, Subject } from './match-rule.js';
import { nearestKinds } from './nearest-kinds.js';
import { DEFAULT_DEMAND } from './parse-consequence.js';
import { DECISIONS } from './policy.js';
import type { ClassRequirements, Consequence, PolicyDecision, PolicyRule } from './policy.js';
import type { KindPlan, PreparedPolicy } from './prepare-policy.js';
import type { Candidate } from './ruling.js';

/** What one rule comes to: its result, and what it proposes where it matches. */
export interface JudgedRule {
  readonly rule: PolicyRule;
  readonly result: MatchResult | 'excepted';
  readonly candidate?: Candidate;
}

export interface Judgement {
  readonly candidates: readonly Candidate[];
  readonly judged: readonly JudgedRule[];
}

const UNKNOWN = 'default:unknown';

/** Everything that has a say about these facts: rules, else the class default; the tool table; what cannot be evaluated. */
export const judgementOn = (prepared: PreparedPolicy, plan: KindPlan, facts: PolicyFacts): Judgement => {
  const subject: Subject = { facts, amounts: amountsOf(facts.amounts), actionClass: plan.actionClass };
  const judged = judgeRules(plan, subject);
  const matching = judged.flatMap(({ candidate }) => candidate ?? []);
  const candidates = [...matching, ...judgeTool(prepared.policy, prepared.served, facts)];
  // Only a rule that matches stands in place of the class default; one that cannot be read must not weaken it. Rules without
  // a kind match unregistered kinds too: only a deny may, so the unknown stands beside them.
  if (matching.length === 0 || !plan.registered) candidates.push(...classDefault(prepared, plan, subject));
  for (const { rule, result } of judged) if (result === 'missing') candidates.push(setAside(rule.id, 'QUARANTINED_POLICY_ERROR', `Rule ${rule.id} reads a fact that this action does not state, or cannot be evaluated on it`));
  return { candidates: withOutside(candidates, judged), judged };
};

export const setAside = (id: string, code: NonNullable<Candidate['code']>, reason: string): Candidate => ({ decision: 'quarantine', id, code, reason });

const judgeRules = ({ rules }: KindPlan, subject: Subject): readonly JudgedRule[] => {
  const judged = rules.map((ready): JudgedRule => {
    const result = matchRule(ready, subject);
    return result === 'yes' ? { rule: ready.rule, result, candidate: gated(ready.rule, ready.rule.decision, ready.rule.id, subject) } : { rule: ready.rule, result };
  });
  if (!judged.some(({ rule }) => rule.unless !== undefined)) return judged;
  // A rule excepts another only where it comes to what it says itself, not to a person being asked in its place.
  const holds = new Set(judged.filter(({ rule, candidate }) => candidate?.decision === rule.decision).map(({ rule }) => rule.id));
  return judged.map((one) => (one.rule.unless !== undefined && holds.has(one.rule.unless) ? { rule: one.rule, result: 'excepted' } : one));
};

/** A rule that allows up to a cap says that more is not simply allowed: then only people may, or it is set aside. */
const withOutside = (candidates: readonly Candidate[], judged: readonly JudgedRule[]): readonly Candidate[] => {
  const outside = judged.filter(({ result }) => result === 'outside');
  if (outside.length === 0 || (candidates.length > 0 && rank(strictest(candidates)) >= rank('require_approval'))) return candidates;
  return [...candidates, ...outside.map(({ rule }) => setAside(rule.id, 'QUARANTINED_OUT_OF_BOUNDS', `The action is outside the caps of rule ${rule.id}`))];
};

const rank = (decision: PolicyDecision): number => DECISIONS.indexOf(decision);

export const strictest = (candidates: readonly Candidate[]): PolicyDecision => DECISIONS[Math.max(...candidates.map(({ decision }) => rank(decision)))] ?? 'quarantine';

const classDefault = ({ policy, registered, abstains }: PreparedPolicy, { actionClass }: KindPlan, subject: Subject): readonly Candidate[] => {
  const entry = actionClass === undefined ? undefined : policy.classes[actionClass];
  if (entry !== undefined) return [gated(entry, entry.default, `class:${actionClass}`, subject)];
  if (abstains) return [];
  return [setAside(UNKNOWN, 'QUARANTINED_UNKNOWN_KIND', unknownReason(nearestKinds(registered, subject.facts.action_kind).filter((kind) => kind !== subject.facts.action_kind)))];
};

const unknownReason = (nearest: readonly string[]): string => `This action kind is not registered, or in no class${nearest.length === 0 ? '' : `; the nearest known are ${nearest.join(', ')}`}`;

type Gated = Consequence & { readonly requires?: ClassRequirements };

/** What a rule or class that applies comes to, after what it requires and what it makes of the agent's confidence. */
const gated = (entry: Gated, decision: PolicyDecision, id: string, subject: Subject): Candidate => {
  const candidate: Candidate = { ...entry, decision, id };
  const allows = decision === 'allow' || decision === 'allow_with_caps';
  const unmet = entry.requires === undefined ? undefined : unmetRequirement(entry.requires, subject);
  if (unmet !== undefined) return allows ? asking(entry, id, `Allowed without a person only ${unmet}`) : { decision: 'deny', id, code: 'POLICY_DENIED', reason: `A person is asked only ${unmet}` };
  const { confidence } = entry;
  if (confidence === undefined) return candidate;
  const stated = partsPerMillion(subject.facts.confidence);
  if (allows) return stated < (confidence.ask_below_ppm ?? 0) ? asking(entry, id, `Allowed without a person only with a confidence of ${share(confidence.ask_below_ppm)} or more`) : candidate;
  if (confidence.log_from_ppm === undefined || subject.facts.confidence === undefined || stated < confidence.log_from_ppm || !admits(entry, subject)) return candidate;
  return { ...candidate, decision: entry.caps === undefined ? 'allow' : 'allow_with_caps', tier: 'LOG', reason: `${entry.reason ?? 'Approval is asked for'}; relaxed to LOG, since the stated confidence of ${subject.facts.confidence} reaches ${share(confidence.log_from_ppm)}` };
};

const asking = ({ caps, approval, varies }: Gated, id: string, reason: string): Candidate => ({ decision: 'require_approval', id, approval: approval ?? DEFAULT_DEMAND, reason, ...(caps === undefined ? {} : { caps }), ...(varies === undefined ? {} : { varies }) });

/** Decimal text such as 0.82; unstated counts as none. */
const partsPerMillion = (fraction: string | undefined): number => (fraction === undefined ? 0 : Math.round(Number(fraction) * 1_000_000));
const share = (ppm: number | undefined): string => String((ppm ?? 0) / 1_000_000);

const unmetRequirement = (requires: ClassRequirements, { facts, amounts }: Subject): string | undefined => {
  if (requires.evidence === true && !facts.has_evidence) return 'with evidence';
  if (requires.reversal === true && !facts.has_reversal) return 'with a way to reverse it';
  if (requires.max_risk_points !== undefined && facts.risk_points > requires.max_risk_points) return `up to ${requires.max_risk_points} risk points`;
  return overAmount(requires.max_amount ?? {}, amounts);
};

const overAmount = (limits: Readonly<Record<string, string>>, amounts: Amounts): string | undefined => {
  const over = Object.entries(limits).find(([unit, limit]) => (amounts[unit] ?? 0n) > parseAmount(limit));
  return over === undefined ? undefined : `up to ${over[1]} ${over[0]}`;
};
