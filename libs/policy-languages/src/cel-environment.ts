import type { PolicyFacts } from '@exequatur/contracts';
import { decimalToUnit, parseAmount } from '@exequatur/kernel';
import { Environment } from '@marcbachmann/cel-js';
import { linearPattern } from './linear-pattern.js';
import type { LinearPattern } from './linear-pattern.js';

/** Characters times instructions that the patterns of one condition may spend on one action: some 10 ms. */
const PATTERN_BUDGET = 1_000_000;
const INT64_MAX = 2n ** 63n - 1n;

/** What functions read while a condition is evaluated: one at a time, since evaluation is synchronous. */
interface Evaluation {
  facts: PolicyFacts | undefined;
  budget: number;
}

const now: Evaluation = { facts: undefined, budget: 0 };

/** Fields of `action` and their types; what an action does not state is a missing key, and a condition that reads it fails. */
export const ACTION_FIELDS = {
  kind: 'string', class: 'string', tenant: 'string', scope: 'string', agent: 'string', run: 'string', environment: 'string', execution_mode: 'string', target: 'string', model: 'string',
  risk_points: 'int', rows: 'int', confidence: 'double', has_evidence: 'bool', has_reversal: 'bool',
  risk_tags: 'list<string>', topics: 'list<string>', data_labels: 'list<string>',
  tool: { name: 'string', version: 'string' },
  recipients: { count: 'int', domains: 'list<string>' },
  reversal: { handle: 'string' },
} as const;

/** Names a value of `action` may be read under. */
export const actionOf = (facts: PolicyFacts, actionClass: string | undefined): Record<string, unknown> => ({
  kind: facts.action_kind,
  ...(actionClass === undefined ? {} : { class: actionClass }),
  tenant: facts.tenant,
  scope: facts.scope_path,
  agent: facts.agent,
  run: facts.run_id,
  execution_mode: facts.execution_mode,
  risk_points: BigInt(facts.risk_points),
  has_evidence: facts.has_evidence,
  has_reversal: facts.has_reversal,
  // The handle itself is personal and stays sealed; what can be asked is whether there is one.
  reversal: { handle: facts.has_reversal ? 'present' : '' },
  risk_tags: facts.risk_tags,
  topics: facts.topics ?? [],
  data_labels: facts.data_labels ?? [],
  tool: facts.tool,
  recipients: { ...(facts.recipient_count === undefined ? {} : { count: BigInt(facts.recipient_count) }), ...(facts.recipient_domains === undefined ? {} : { domains: facts.recipient_domains }) },
  ...(facts.environment === undefined ? {} : { environment: facts.environment }),
  ...(facts.target === undefined ? {} : { target: facts.target }),
  ...(facts.model === undefined ? {} : { model: facts.model }),
  ...(facts.rows === undefined ? {} : { rows: BigInt(facts.rows) }),
  ...(facts.confidence === undefined ? {} : { confidence: Number(facts.confidence) }),
});

/** Runs one evaluation with the facts that functions read. */
export const evaluating = <T>(facts: PolicyFacts, run: () => T): T => {
  now.facts = facts;
  now.budget = PATTERN_BUDGET;
  try {
    return run();
  } finally {
    now.facts = undefined;
  }
};

/** `money('42.00', 'USD')` in the smallest unit. @throws AmountError, RangeError */
export const money = (text: string, unitOrCurrency: string): bigint => inInt64(decimalToUnit(text, unitOrCurrency).amount);

/** The unit amounts of a currency are kept in. */
export const unitOf = (unitOrCurrency: string): string => decimalToUnit('0', unitOrCurrency).unit;

const amount = (unitOrCurrency: string): bigint => {
  const unit = unitOf(unitOrCurrency);
  const found = now.facts?.amounts.find((one) => one.unit === unit);
  if (found === undefined) throw new RangeError(`no amount of ${unit} is known`);
  return inInt64(parseAmount(found.amount));
};

const inInt64 = (value: bigint): bigint => {
  if (value > INT64_MAX) throw new RangeError('the amount is too large to be compared');
  return value;
};

const fact = (name: string): string => {
  const named = now.facts?.named ?? {};
  const value = Object.hasOwn(named, name) ? named[name] : undefined;
  if (value === undefined) throw new RangeError(`no fact ${name} is known`);
  return value;
};

/** Patterns are literals of the policy, so this grows with policies only; past the bound it starts again. */
const patterns = new Map<string, LinearPattern>();
const MAX_PATTERNS = 5_000;

export const patternOf = (source: string): LinearPattern => {
  const known = patterns.get(source);
  if (known !== undefined) return known;
  const pattern = linearPattern(source);
  if (patterns.size >= MAX_PATTERNS) patterns.clear();
  patterns.set(source, pattern);
  return pattern;
};

const linearMatches = (text: string, source: string): boolean => {
  const pattern = patternOf(source);
  now.budget -= text.length * pattern.cost;
  if (now.budget < 0) throw new RangeError('the patterns cost too much on this action');
  return pattern.test(text);
};

/** Name of the engine that stands in for the built-in `matches`, which backtracks. */
export const LINEAR_MATCHES = 'linearMatches';

export const environment = new Environment({
  unlistedVariablesAreDyn: false,
  homogeneousAggregateLiterals: true,
  limits: { maxAstNodes: 250, maxDepth: 24, maxListElements: 100, maxMapEntries: 1, maxCallArguments: 3 },
})
  .registerVariable({ name: 'action', schema: ACTION_FIELDS })
  .registerFunction('amount(string): int', amount)
  .registerFunction('money(string, string): int', money)
  .registerFunction('fact(string): string', fact)
  .registerFunction(`string.${LINEAR_MATCHES}(string): bool`, linearMatches);
