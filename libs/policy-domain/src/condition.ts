import type { PolicyFacts } from '@exequatur/contracts';

/**
 * A rule's `when:`, compiled once. True or false; undefined when it cannot be evaluated on these facts (a missing key, an
 * overflow, a text past its bound). Never throws, and takes bounded time.
 */
export type Condition = (facts: PolicyFacts, actionClass: string | undefined) => boolean | undefined;

/** `offset` counts characters of the condition's own text. */
export interface ConditionFault {
  readonly offset: number;
  readonly message: string;
}

/** The port to the expression language. Deciders know no package, so whoever evaluates brings it along (libs/policy-languages). */
export interface ConditionLanguage {
  compile(source: string): { readonly condition: Condition } | { readonly fault: ConditionFault };
}

/** Longest text of a condition, in characters. */
export const MAX_CONDITION = 1_024;

/** Without the language nothing can be said about a condition: a rule that has one cannot be evaluated. */
const UNREADABLE: Condition = () => undefined;

/** @param language absent where nobody brought one: every condition is then one that cannot be evaluated */
export const conditionOf = (source: string, language: ConditionLanguage | undefined): Condition => {
  const compiled = language?.compile(source);
  return compiled === undefined || 'fault' in compiled ? UNREADABLE : compiled.condition;
};
