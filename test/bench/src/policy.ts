import { parsePolicy, evaluate, outcomeOf, registeredKinds, replayTally } from '@exequatur/policy-domain';
import type { Policy } from '@exequatur/policy-domain';
import type { PolicyFacts } from '@exequatur/contracts';
import { policyLanguages } from '@exequatur/policy-languages';

/** Kinds of a policy of the bench; every rule but each tenth names one, each tenth is a glob over ten of them. */
const KINDS = 100;
const WARM_UP = 20_000;
const EVALUATIONS = 200_000;
const RECORDED = 100_000;

/** One rule in three has a condition, one in five caps. */
const policyWith = (rules: number): Policy => {
  const kinds = Array.from({ length: KINDS }, (_, index) => `area${index % 10}.kind${index}`);
  const document = {
    version: 1,
    classes: { work: { kinds, default: 'allow' } },
    rules: Array.from({ length: rules }, (_, index) => ({
      id: `rule-${index}`,
      match: { kind: index % 10 === 0 ? `area${(index / 10) % 10}.*` : (kinds[index % KINDS] ?? ''), ...(index % 4 === 0 ? { risk_tags: ['payment'] } : {}) },
      ...(index % 3 === 0 ? { when: "amount('USD') <= money('42.00', 'USD') && action.tool.name.startsWith('tool')" } : {}),
      ...(index % 5 === 0 ? { decision: 'allow_with_caps', caps: { max_amount: { USD: '100.00' }, expires_in: '10m' } } : { decision: index % 7 === 0 ? 'require_approval' : 'allow' }),
    })),
  };
  const parsed = parsePolicy(document, policyLanguages);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
  return parsed.policy;
};

const factsOf = (index: number): PolicyFacts => ({
  tenant: 'acme',
  scope_path: 'tenant:acme/workspace:sales/app:bench',
  agent: 'bench-agent',
  run_id: `run-${index % 1_000}`,
  action_kind: `area${(index % KINDS) % 10}.kind${index % KINDS}`,
  tool: { name: 'tool', version: '1.0' },
  risk_tags: index % 2 === 0 ? ['payment'] : [],
  risk_points: index % 50,
  amounts: [{ unit: 'USD_MICROCENTS', amount: String((index % 100) * 100_000_000) }],
  has_evidence: true,
  has_reversal: true,
  execution_mode: 'managed',
});

const microseconds = (sorted: readonly number[], share: number): string => ((sorted[Math.floor((sorted.length - 1) * share)] ?? 0) / 1_000).toFixed(2);

/** `npm run bench -- policy`: evaluation in this process, and a replay of recorded facts under the same policy. */
export const policyBench = (): void => {
  const facts = Array.from({ length: RECORDED }, (_, index) => factsOf(index));
  console.log('| policy | evaluations/s | p50 µs | p99 µs |\n| --- | ---: | ---: | ---: |');
  for (const rules of [20, 500]) {
    const policy = policyWith(rules);
    const registered = new Set(registeredKinds(policy));
    const one = (index: number) => evaluate(policy, registered, facts[index % RECORDED] ?? factsOf(0), policyLanguages.conditions);
    for (let index = 0; index < WARM_UP; index += 1) one(index);
    const taken = new Array<number>(EVALUATIONS);
    const begun = process.hrtime.bigint();
    for (let index = 0; index < EVALUATIONS; index += 1) {
      const start = process.hrtime.bigint();
      one(index);
      taken[index] = Number(process.hrtime.bigint() - start);
    }
    const seconds = Number(process.hrtime.bigint() - begun) / 1e9;
    taken.sort((a, b) => a - b);
    console.log(`| ${rules} rules | ${(EVALUATIONS / seconds).toFixed(0)} | ${microseconds(taken, 0.5)} | ${microseconds(taken, 0.99)} |`);
  }
  replay(facts);
};

const replay = (facts: readonly PolicyFacts[]): void => {
  const policy = policyWith(20);
  const registered = new Set(registeredKinds(policy));
  const tally = replayTally();
  const start = process.hrtime.bigint();
  for (const [index, one] of facts.entries()) {
    const outcome = () => outcomeOf(evaluate(policy, registered, one, policyLanguages.conditions));
    tally.add({ action_id: String(index), action_kind: one.action_kind, before: outcome(), after: outcome() });
  }
  const seconds = Number(process.hrtime.bigint() - start) / 1e9;
  const { relaxed, tightened, unchanged } = tally.report();
  console.log(`\nReplay of ${facts.length} recorded facts under the same policy, judged twice each: ${(facts.length / seconds).toFixed(0)} actions/s; ${relaxed} relaxed, ${tightened} tightened, ${unchanged} unchanged`);
};
