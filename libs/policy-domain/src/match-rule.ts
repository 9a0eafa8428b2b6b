import type { PolicyFacts } from '@exequatur/contracts';
import { capsAdmit } from '@exequatur/caps';
import type { CapDimension } from '@exequatur/caps';
import type { Amounts } from '@exequatur/kernel';
import type { Condition } from './condition.js';
import { isGlob, matchesGlob } from './glob.js';
import type { PolicyMatch, PolicyRule } from './policy.js';
import { isVersionRange, versionWithin } from './tool-version.js';

/**
 * `missing`: it reads a fact that is not there, so policy cannot be evaluated. `outside`: it would allow, but not this much.
 */
export type MatchResult = 'yes' | 'no' | 'missing' | 'outside';

export type Answer = 'yes' | 'no' | 'missing';

/** What is asked of one action, with its amounts read once. */
export interface Subject {
  readonly facts: PolicyFacts;
  readonly amounts: Amounts;
  readonly actionClass: string | undefined;
}

/** One condition of a rule. `field` is its key in the policy file. */
export interface Check {
  readonly field: string;
  readonly ask: (subject: Subject) => Answer;
}

/** A rule whose conditions are ready to be asked. Kind and class are not among `checks`: the index answers them. */
export interface ReadyRule {
  readonly rule: PolicyRule;
  readonly checks: readonly Check[];
}

export const readyRule = (rule: PolicyRule, condition: Condition | undefined): ReadyRule => ({
  rule,
  // The condition comes last: it costs most, and need not be asked where another one says no.
  checks: [...checksOf(rule.match), ...(condition === undefined ? [] : [{ field: 'when', ask: ({ facts, actionClass }: Subject) => truth(condition(facts, actionClass)) }])],
});

const truth = (held: boolean | undefined): Answer => (held === undefined ? 'missing' : held ? 'yes' : 'no');

export const matchRule = ({ rule, checks }: ReadyRule, subject: Subject): MatchResult => {
  let isMissing = false;
  for (const { ask } of checks) {
    const answer = ask(subject);
    if (answer === 'no') return 'no';
    if (answer === 'missing') isMissing = true;
  }
  if (isMissing) return 'missing';
  return rule.decision === 'allow_with_caps' && !admits(rule, subject) ? 'outside' : 'yes';
};

/** A cap that facts exceed already is a threshold: the rule allows only what is inside it. */
export const admits = ({ caps }: Pick<PolicyRule, 'caps'>, { facts, amounts }: Subject): boolean => {
  const { environment, tool, model, rows } = facts;
  const known = { amounts, tool: tool.name, ...(environment === undefined ? {} : { environment }), ...(model === undefined ? {} : { model }), ...(rows === undefined ? {} : { rows }) };
  const bounded = caps?.own === undefined ? known : { ...known, own: wholeNumbers(facts.named ?? {}) };
  const judged: CapDimension[] = ['max_amount', 'max_total', 'environments', 'tools', 'own'];
  if (caps?.row_limit !== undefined && rows !== undefined) judged.push('row_limit');
  if (caps?.models !== undefined && model !== undefined) judged.push('models');
  return capsAdmit(caps ?? {}, bounded, judged) === undefined;
};

/** Facts that count something; another one, or none, is not known to be inside a limit. */
const wholeNumbers = (named: Readonly<Record<string, string>>): Amounts => Object.fromEntries(Object.entries(named).flatMap(([name, text]) => (/^\d{1,30}$/.test(text) ? [[name, BigInt(text)]] : [])));

const checksOf = (match: PolicyMatch): readonly Check[] => {
  const checks: Check[] = [];
  const add = (field: keyof PolicyMatch, wanted: readonly string[] | undefined, ask: (wanted: readonly string[], subject: Subject) => Answer): void => {
    if (wanted !== undefined) checks.push({ field, ask: (subject) => ask(wanted, subject) });
  };
  add('risk_tags', match.risk_tags, (wanted, { facts }) => someOf(wanted, facts.risk_tags));
  add('topics', match.topics, (wanted, { facts }) => someOf(wanted, facts.topics ?? []));
  add('data_labels', match.data_labels, (wanted, { facts }) => someOf(wanted, facts.data_labels ?? []));
  add('tenant', match.tenant, (wanted, { facts }) => oneOf(wanted, facts.tenant));
  add('env', match.env, (wanted, { facts }) => (facts.environment === undefined ? 'missing' : oneOf(wanted, facts.environment)));
  add('tool', match.tool, (wanted, { facts }) => anyAnswer(wanted.map((each) => toolAnswer(each, facts.tool))));
  add('agent', match.agent, (wanted, { facts }) => oneOf(wanted, facts.agent));
  add('scope', match.scope, (wanted, { facts }) => (wanted.some((prefix) => isInside(prefix, facts.scope_path)) ? 'yes' : 'no'));
  add('target', match.target, (wanted, { facts: { target } }) => (target === undefined ? 'missing' : wanted.some((pattern) => matchesGlob(pattern, target)) ? 'yes' : 'no'));
  return checks;
};

const oneOf = (wanted: readonly string[], actual: string): Answer => (wanted.includes(actual) ? 'yes' : 'no');
const someOf = (wanted: readonly string[], actual: readonly string[]): Answer => (wanted.some((one) => actual.includes(one)) ? 'yes' : 'no');
const anyAnswer = (answers: readonly Answer[]): Answer => (answers.includes('yes') ? 'yes' : answers.includes('missing') ? 'missing' : 'no');

const toolAnswer = (wanted: string, { name, version }: PolicyFacts['tool']): Answer => {
  if (wanted === name || wanted === `${name}@${version}`) return 'yes';
  if (!wanted.startsWith(`${name}@`)) return 'no';
  const range = wanted.slice(name.length + 1);
  return isVersionRange(range) ? truth(versionWithin(range, version)) : 'no';
};

export const kindMatches = (pattern: string, kind: string, registered: boolean): boolean => (isGlob(pattern) ? registered && matchesGlob(pattern, kind) : pattern === kind);

/** True for the same scope and everything below it; `tenant:a` does not contain `tenant:ab`. */
export const isInside = (prefix: string, scopePath: string): boolean => scopePath === prefix || scopePath.startsWith(`${prefix}/`);
