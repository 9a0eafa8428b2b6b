import type { PolicyFacts } from '@exequatur/contracts';
import { capsAdmit } from '@exequatur/caps';
import { amountsOf } from './amounts.js';
import { isGlob, matchesGlob } from './glob.js';
import type { PolicyMatch, PolicyRule } from './policy.js';

/**
 * `missing`: it reads a fact that is not there, so policy cannot be evaluated. `outside`: it would allow, but not this much.
 */
export type MatchResult = 'yes' | 'no' | 'missing' | 'outside';

export interface KindContext {
  readonly registered: boolean;
  readonly actionClass: string | undefined;
}

type Answer = 'yes' | 'no' | 'missing';

export const matchRule = (rule: PolicyRule, facts: PolicyFacts, kind: KindContext): MatchResult => {
  const answers = conditions(rule.match, facts, kind);
  if (answers.includes('no')) return 'no';
  if (answers.includes('missing')) return 'missing';
  return rule.decision === 'allow_with_caps' && !admits(rule, facts) ? 'outside' : 'yes';
};

/** A cap that facts exceed already is a threshold: the rule allows only what is inside it. */
const admits = ({ caps }: PolicyRule, facts: PolicyFacts): boolean => {
  const { environment, tool } = facts;
  const known = { amounts: amountsOf(facts.amounts), tool: tool.name, ...(environment === undefined ? {} : { environment }) };
  return capsAdmit(caps ?? {}, known, ['max_amount', 'environments', 'tools']) === undefined;
};

const conditions = (match: PolicyMatch, facts: PolicyFacts, { registered, actionClass }: KindContext): readonly Answer[] => {
  const among = (wanted: readonly string[] | undefined, actual: readonly string[]): Answer => (wanted === undefined || wanted.some((one) => actual.includes(one)) ? 'yes' : 'no');
  return [
    match.kind === undefined || match.kind.some((pattern) => kindMatches(pattern, facts.action_kind, registered)) ? 'yes' : 'no',
    among(match.class, actionClass === undefined ? [] : [actionClass]),
    among(match.risk_tags, facts.risk_tags),
    among(match.tenant, [facts.tenant]),
    match.env !== undefined && facts.environment === undefined ? 'missing' : among(match.env, [facts.environment ?? '']),
    among(match.tool, [facts.tool.name, `${facts.tool.name}@${facts.tool.version}`]),
    among(match.agent, [facts.agent]),
    match.scope === undefined || match.scope.some((prefix) => isInside(prefix, facts.scope_path)) ? 'yes' : 'no',
  ];
};

const kindMatches = (pattern: string, kind: string, registered: boolean): boolean => (isGlob(pattern) ? registered && matchesGlob(pattern, kind) : pattern === kind);

/** True for the same scope and everything below it; `tenant:a` does not contain `tenant:ab`. */
export const isInside = (prefix: string, scopePath: string): boolean => scopePath === prefix || scopePath.startsWith(`${prefix}/`);
