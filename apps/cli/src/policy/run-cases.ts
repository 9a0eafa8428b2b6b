import { isDeepStrictEqual } from 'node:util';
import { decide, explain, initialState } from '@exequatur/policy-domain';
import type { OwnActionEvent, Policy, Ruling } from '@exequatur/policy-domain';
import { policyLanguages } from '@exequatur/policy-languages';
import { askedPolicy, rulingOn } from './asked-policy.js';
import type { AskedPolicy } from './asked-policy.js';
import type { CaseFile, PolicyCase } from './case-file.js';

export interface CaseResult {
  readonly name: string;
  readonly line: number;
  /** what differs, one line each; none: it passed */
  readonly differences: readonly string[];
}

export interface CasesResult {
  readonly file: string;
  readonly results: readonly CaseResult[];
  /** rules that matched in some case, and all there are */
  readonly covered: readonly string[];
  readonly rules: readonly string[];
  /** rules whose removal changes what no case comes to: nothing would notice if they were gone */
  readonly unnoticed: readonly string[];
}

export const runCases = ({ file, cases }: CaseFile, policy: Policy): CasesResult => {
  const asked = askedPolicy(policy);
  const covered = new Set<string>();
  const results = cases.map((one): CaseResult => {
    const { ruling, derived } = rulingOn(asked, one.tenant, one.agent, one.proposal);
    for (const { rule_id, result } of explain(policy, asked.registered, derived.facts, policyLanguages.conditions).rules) if (result === 'matched') covered.add(rule_id);
    return { name: one.name, line: one.line, differences: differences(one, ruling, asked) };
  });
  const rules = policy.rules.map(({ id }) => id);
  return { file, results, covered: rules.filter((id) => covered.has(id)), rules, unnoticed: rules.filter((id) => isUnnoticed(asked, cases, id)) };
};

/** What a case compares, of two policies. The kinds stay registered: a rule may be the only one to name its kind. */
const isUnnoticed = ({ policy, registered }: AskedPolicy, cases: readonly PolicyCase[], id: string): boolean => {
  const without: AskedPolicy = { policy: { ...policy, rules: policy.rules.filter((rule) => rule.id !== id).map(({ unless, ...rule }) => (unless === undefined || unless === id ? rule : { ...rule, unless })) }, registered };
  return cases.every(({ tenant, agent, proposal }) => isDeepStrictEqual(compared(rulingOn({ policy, registered }, tenant, agent, proposal).ruling), compared(rulingOn(without, tenant, agent, proposal).ruling)));
};

const compared = ({ rule_id: _id, reason: _reason, ...ruling }: Ruling): object => ruling;

const differences = ({ expected, tenant, agent, proposal }: PolicyCase, ruling: Ruling, asked: AskedPolicy): readonly string[] => {
  const found: string[] = [];
  const compare = (what: string, wanted: unknown, got: unknown): void => {
    if (wanted !== undefined && !isDeepStrictEqual(wanted, got)) found.push(`${what}: expected ${shown(wanted)}, got ${shown(got)}`);
  };
  compare('verdict', expected.verdict, ruling.verdict);
  compare('rule', expected.rule, ruling.rule_id);
  compare('class', expected.class, ruling.action_class);
  compare('code', expected.code, ruling.code);
  compare('tier', expected.tier, ruling.tier);
  compare('caps', expected.caps, ruling.caps);
  compare('demand', expected.demand, ruling.demand);
  if (expected.event !== undefined) eventDifferences(expected.event, eventOf(asked, tenant, agent, proposal), 'event', found);
  return found;
};

const shown = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'));

/** The parts of an expected event that the recorded one does not have; what is not named is not compared. */
const eventDifferences = (wanted: unknown, got: unknown, path: string, found: string[]): void => {
  if (typeof wanted !== 'object' || wanted === null || Array.isArray(wanted)) {
    if (!isDeepStrictEqual(wanted, got)) found.push(`${path}: expected ${shown(wanted)}, got ${shown(got)}`);
    return;
  }
  for (const [key, value] of Object.entries(wanted)) eventDifferences(value, typeof got === 'object' && got !== null && Object.hasOwn(got, key) ? (got as Record<string, unknown>)[key] : undefined, `${path}.${key}`, found);
};

const NOWHERE = `sha256:${'0'.repeat(64)}`;
/** Ids and times of an event that nobody records. */
const FIXED = { action_id: '00000000-0000-7000-8000-000000000000', approval_id: '00000000-0000-7000-8000-000000000001', nowMs: 0 };

/** The decision as the decider records it, with its name as `name`. */
const eventOf = (asked: AskedPolicy, tenant: string, agent: string, proposal: PolicyCase['proposal']): object => {
  const { ruling, derived } = rulingOn(asked, tenant, agent, proposal);
  const proposed = { action_id: FIXED.action_id, facts: derived.facts, claimed: {}, arguments_hash: NOWHERE, action_hash: NOWHERE, door: 'http' as const };
  const events = decide({ type: 'ProposeAction', data: { proposed, narrowable: derived.narrowable, ruling, policyHash: NOWHERE, policyVersion: 1 }, metadata: { nowMs: FIXED.nowMs, approvalId: FIXED.approval_id, sampleDraw: 999_999 } }, initialState());
  const verdict = Array.isArray(events) ? (events as readonly OwnActionEvent[])[1] : undefined;
  return verdict === undefined ? {} : { name: verdict.type, ...verdict.data };
};
