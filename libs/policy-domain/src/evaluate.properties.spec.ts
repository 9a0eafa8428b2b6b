import { describe, expect, test } from '@jest/globals';
import { capsContain } from '@exequatur/caps';
import type { PolicyFacts, Verdict } from '@exequatur/contracts';
import { VERDICTS } from '@exequatur/contracts';
import fc from 'fast-check';
import { factsOf } from './fixtures.js';
import { evaluate, registeredKinds } from './index.js';
import type { Policy, PolicyRule } from './index.js';

const KINDS = ['message.email.send', 'message.internal.post', 'draft.email', 'crm.contact.read', 'payment.refund'];
const pattern = fc.constantFrom(...KINDS, 'message.*', '*.read', '*', 'draft.*', '*email*');
const caps = fc.record({ max_amount: fc.dictionary(fc.constantFrom('USD_MICROCENTS', 'CALLS'), fc.nat(5).map(String)), max_uses: fc.integer({ min: 1, max: 4 }), expires_in_ms: fc.nat(9) }, { requiredKeys: [], noNullPrototype: true });
const demand = fc.record({ stages: fc.array(fc.record({ roles: fc.constantFrom(['finance'], ['legal']), quorum: fc.integer({ min: 1, max: 3 }) }), { minLength: 1, maxLength: 2 }), distinct: fc.boolean(), ttl_ms: fc.nat(100), on_timeout: fc.constant('deny' as const) });
const match = fc.record(
  { kind: fc.array(pattern, { minLength: 1, maxLength: 2 }), risk_tags: fc.constantFrom(['payment'], ['pii']), env: fc.constantFrom(['prod'], ['dev']), agent: fc.constantFrom(['outreach-bot'], ['other']) },
  { requiredKeys: [], noNullPrototype: true },
);
const rule: fc.Arbitrary<PolicyRule> = fc.record({ id: fc.uuid(), match, decision: fc.constantFrom('allow', 'allow_with_caps', 'require_approval', 'quarantine', 'deny'), caps, approval: demand }, { noNullPrototype: true });
const policy: fc.Arbitrary<Policy> = fc
  .tuple(fc.uniqueArray(rule, { maxLength: 6, selector: ({ id }) => id }), fc.dictionary(fc.constantFrom('read_only', 'write', 'external'), fc.record({ kinds: fc.array(pattern, { maxLength: 3 }), default: fc.constantFrom('allow', 'require_approval', 'deny'), approval: demand, on_silence: fc.constant('unknown' as const) }), { noNullPrototype: true }))
  .map(([rules, classes]) => ({ version: 1, classes, tools: {}, rules }));
const cappingPolicy = policy.map((one): Policy => ({ ...one, rules: one.rules.map((each) => ({ ...each, decision: 'allow_with_caps' })) }));
const facts: fc.Arbitrary<PolicyFacts> = fc
  .record({ action_kind: fc.constantFrom(...KINDS), environment: fc.constantFrom('prod', 'dev', undefined), risk_tags: fc.subarray(['payment', 'pii']), amounts: fc.constantFrom([], [{ unit: 'USD_MICROCENTS', amount: '3' }]) })
  .map(({ environment, ...change }) => factsOf({ ...change, ...(environment === undefined ? {} : { environment }) }));

const strictness = (verdict: Verdict): number => VERDICTS.indexOf(verdict);
const rulingOn = (of: Policy, on: PolicyFacts, kinds = registeredKinds(of)) => evaluate(of, new Set(kinds), on);
const RUNS = { numRuns: 5_000 };

describe('whatever the policy', () => {
  test('another deny rule never loosens a verdict', () => {
    fc.assert(
      fc.property(policy, rule, facts, (before, added, on) => {
        // The same kinds stay registered: a deny that names a kind registers it, which is a decision of its own.
        const kinds = registeredKinds(before);
        const after = { ...before, rules: [...before.rules, { ...added, decision: 'deny' as const }] };
        expect(strictness(rulingOn(after, on, kinds).verdict)).toBeGreaterThanOrEqual(strictness(rulingOn(before, on, kinds).verdict));
      }),
      RUNS,
    );
  });

  test('the order of rules is irrelevant', () => {
    fc.assert(
      fc.property(
        policy.chain((one) => fc.tuple(fc.constant(one), fc.shuffledSubarray([...one.rules], { minLength: one.rules.length }))),
        facts,
        ([one, rules], on) => expect(rulingOn({ ...one, rules }, on)).toEqual(rulingOn(one, on)),
      ),
      RUNS,
    );
  });

  test('invariant 17: the caps of a ruling are inside those of every rule it names', () => {
    let capped = 0;
    fc.assert(
      fc.property(cappingPolicy, facts, (one, on) => {
        const ruling = rulingOn(one, on);
        if (ruling.verdict !== 'ALLOW_WITH_CAPS') return;
        capped += 1;
        for (const { id, caps: outer } of one.rules) if (ruling.rule_id.split('+').includes(id)) expect(capsContain(outer ?? {}, ruling.caps)).toBe(true);
      }),
      RUNS,
    );
    expect(capped).toBeGreaterThan(50);
  });

  test('invariant 27: 100,000 unregistered kinds, none allowed or put before a person', () => {
    const mutated = fc.tuple(fc.constantFrom(...KINDS), fc.constantFrom('x', '.', 'S', '2', '_', '-'), fc.nat(24)).map(([kind, letter, at]) => kind.slice(0, at) + letter + kind.slice(at));
    const invented = fc.stringMatching(/^[a-z]{1,8}(\.[a-z]{1,8}){0,3}$/);
    fc.assert(
      fc.property(policy, fc.array(fc.oneof(mutated, invented), { minLength: 500, maxLength: 500 }), facts, (one, kinds, on) => {
        const known = registeredKinds(one);
        for (const action_kind of kinds.filter((kind) => !known.includes(kind))) {
          const { verdict } = rulingOn(one, { ...on, action_kind });
          if (verdict !== 'QUARANTINE' && verdict !== 'DENY') throw new Error(`${action_kind} gets ${verdict}`);
        }
      }),
      // Shrinking 500 kinds takes minutes; the message names the one kind that matters.
      { numRuns: 200, endOnFailure: true },
    );
  });
});
