import { conditionOf } from './condition.js';
import type { ConditionLanguage } from './condition.js';
import { isGlob } from './glob.js';
import { kindMatches, readyRule } from './match-rule.js';
import type { ReadyRule } from './match-rule.js';
import type { Policy, PolicyRule } from './policy.js';
import { classOf } from './registered-kinds.js';

/** The rules that can say something of one kind: kind and class are answered already. */
export interface KindPlan {
  readonly registered: boolean;
  readonly actionClass: string | undefined;
  readonly rules: readonly ReadyRule[];
}

/** A policy with its conditions compiled and its rules indexed by kind. */
export interface PreparedPolicy {
  readonly policy: Policy;
  readonly registered: ReadonlySet<string>;
  readonly planOf: (kind: string) => KindPlan;
  /** kinds that some tool of the table does */
  readonly served: ReadonlySet<string>;
  /** a layer: it has no answer to what it does not name, where a policy of its own would set it aside */
  readonly abstains: boolean;
}

/** Prepared once for a policy and what it may match; a policy never changes, so nothing here can be stale. */
const PREPARED = new WeakMap<Policy, { readonly registered: ReadonlySet<string>; readonly language: ConditionLanguage | undefined; readonly prepared: PreparedPolicy }>();

export const preparedPolicy = (policy: Policy, registered: ReadonlySet<string>, language: ConditionLanguage | undefined, abstains = false): PreparedPolicy => {
  const known = PREPARED.get(policy);
  if (known?.registered === registered && known.language === language) return known.prepared;
  const prepared = preparePolicy(policy, registered, language, abstains);
  PREPARED.set(policy, { registered, language, prepared });
  return prepared;
};

const preparePolicy = (policy: Policy, registered: ReadonlySet<string>, language: ConditionLanguage | undefined, abstains: boolean): PreparedPolicy => {
  const ready = policy.rules.map((rule) => readyRule(rule, rule.when === undefined ? undefined : conditionOf(rule.when, language)));
  const anyKind = ready.filter(({ rule }) => rule.match.kind === undefined);
  const literal = byLiteralKind(ready);
  // At most one plan a registered kind; an unregistered one, which an agent may invent, is never kept.
  const plans = new Map<string, KindPlan>();
  const planOf = (kind: string): KindPlan => {
    const known = plans.get(kind);
    if (known !== undefined) return known;
    if (!registered.has(kind)) return { registered: false, actionClass: undefined, rules: [...anyKind, ...(literal.get(kind) ?? [])].filter(({ rule }) => rule.match.class === undefined) };
    const actionClass = classOf(policy, kind);
    const plan = { registered: true, actionClass, rules: ready.filter(({ rule }) => appliesTo(rule, kind, actionClass)) };
    plans.set(kind, plan);
    return plan;
  };
  return { policy, registered, planOf, served: new Set(Object.values(policy.tools).map(({ kind }) => kind)), abstains };
};

const byLiteralKind = (ready: readonly ReadyRule[]): ReadonlyMap<string, readonly ReadyRule[]> => {
  const rules = new Map<string, ReadyRule[]>();
  for (const one of ready) for (const kind of new Set(one.rule.match.kind ?? [])) if (!isGlob(kind)) rules.set(kind, [...(rules.get(kind) ?? []), one]);
  return rules;
};

/** Kind and class of a rule against a registered kind. */
const appliesTo = ({ match }: PolicyRule, kind: string, actionClass: string | undefined): boolean =>
  (match.kind === undefined || match.kind.some((pattern) => kindMatches(pattern, kind, true))) && (match.class === undefined || (actionClass !== undefined && match.class.includes(actionClass)));
