import { describe, expect, test } from '@jest/globals';
import { capsContain } from '@exequatur/caps';
import { AUTONOMY_LEVELS, VERDICTS } from '@exequatur/contracts';
import type { PolicyFacts, Verdict } from '@exequatur/contracts';
import fc from 'fast-check';
import { factsOf } from './fixtures.js';
import { composePolicy, evaluate, policyHash, registeredKinds } from './index.js';
import type { Policy, PolicyLayer, PolicyRule, Ruling } from './index.js';

const KINDS = ['message.email.send', 'message.internal.post', 'draft.email', 'crm.contact.read', 'payment.refund'];
const SCOPES = [undefined, 'tenant:acme', 'tenant:acme/workspace:sales', 'tenant:acme/workspace:legal'];
const pattern = fc.constantFrom(...KINDS, 'message.*', '*.read', '*', 'draft.*');
const decision = fc.constantFrom('allow', 'allow_with_caps', 'require_approval', 'quarantine', 'deny');
const caps = fc.record({ max_amount: fc.dictionary(fc.constantFrom('USD_MICROCENTS', 'CALLS'), fc.integer({ min: 2, max: 6 }).map(String)), max_uses: fc.integer({ min: 1, max: 4 }), environments: fc.constantFrom(['prod'], ['prod', 'dev']), expires_in_ms: fc.nat(9) }, { requiredKeys: [], noNullPrototype: true });
const demand = fc.record({ stages: fc.array(fc.record({ roles: fc.constantFrom(['finance'], ['legal'], ['approver']), quorum: fc.integer({ min: 1, max: 3 }) }), { minLength: 1, maxLength: 2 }), distinct: fc.boolean(), ttl_ms: fc.nat(100), on_timeout: fc.constantFrom('deny' as const, 'expire' as const) }, { noNullPrototype: true });
const match = fc.record(
  { kind: fc.array(pattern, { minLength: 1, maxLength: 2 }), risk_tags: fc.constantFrom(['payment'], ['pii']), env: fc.constantFrom(['prod'], ['dev']), agent: fc.constantFrom(['outreach-bot'], ['other']) },
  { requiredKeys: [], noNullPrototype: true },
);
const rule: fc.Arbitrary<PolicyRule> = fc.record({ id: fc.uuid(), match, decision, caps, approval: demand, tier: fc.constantFrom('AUTO' as const, 'LOG' as const) }, { noNullPrototype: true });
const policy: fc.Arbitrary<Policy> = fc
  .tuple(
    fc.uniqueArray(rule, { maxLength: 4, selector: ({ id }) => id }),
    fc.dictionary(fc.constantFrom('read_only', 'write', 'external'), fc.record({ kinds: fc.array(pattern, { maxLength: 3 }), default: decision, caps, approval: demand, on_silence: fc.constantFrom('unknown' as const, 'expire' as const) }, { noNullPrototype: true }), { noNullPrototype: true }),
  )
  .map(([rules, classes]) => ({ version: 1, classes, tools: {}, rules }));
const layers: fc.Arbitrary<PolicyLayer[]> = fc
  .uniqueArray(fc.record({ name: fc.constantFrom('organisation', 'overlay:a', 'overlay:b', 'overlay:c'), scope: fc.constantFrom(...SCOPES), policy }, { noNullPrototype: true }), { selector: ({ name }) => name, maxLength: 4 })
  .map((all) => all.map(({ scope, ...layer }) => ({ ...layer, ...(scope === undefined ? {} : { scope }) })));
const level = fc.constantFrom(...AUTONOMY_LEVELS);
const facts: fc.Arbitrary<PolicyFacts> = fc
  .record({ action_kind: fc.constantFrom(...KINDS, 'unknown.call'), environment: fc.constantFrom('prod', 'dev', undefined), risk_tags: fc.subarray(['payment', 'pii']), amounts: fc.constantFrom([], [{ unit: 'USD_MICROCENTS', amount: '3' }]) })
  .map(({ environment, ...change }) => factsOf({ ...change, ...(environment === undefined ? {} : { environment }) }));

const strictness = (verdict: Verdict): number => VERDICTS.indexOf(verdict);
const rulingOn = (own: Policy, above: readonly PolicyLayer[], on: PolicyFacts, levels = {}): Ruling => evaluate(composePolicy({ own, layers: above, levels }), new Set(registeredKinds(own)), on);
const RUNS = { numRuns: 1_000 };

/** `after` leaves no more than `before` did, whichever way one looks at it. */
const isNoLooser = (before: Ruling, after: Ruling): void => {
  expect(strictness(after.verdict)).toBeGreaterThanOrEqual(strictness(before.verdict));
  if (before.on_silence === 'unknown') expect(after.on_silence).toBe('unknown');
  if (after.verdict === 'QUARANTINE' || after.verdict === 'DENY') return;
  expect(capsContain(before.caps, after.caps)).toBe(true);
  if (before.tier === 'LOG' && after.tier !== undefined) expect(after.tier).toBe('LOG');
  for (const stage of before.demand?.stages ?? []) expect(after.demand?.stages.some(({ roles, quorum }) => roles.join() === stage.roles.join() && quorum >= stage.quorum)).toBe(true);
  if (before.demand !== undefined) expect(after.demand?.ttl_ms).toBeLessThanOrEqual(before.demand.ttl_ms);
};

describe('whatever the layers', () => {
  test('another invariant or overlay never loosens what the others say', () => {
    let tightened = 0;
    fc.assert(
      fc.property(policy, layers, facts, (own, above, on) => {
        const before = rulingOn(own, above.slice(1), on);
        const after = rulingOn(own, above, on);
        isNoLooser(before, after);
        if (strictness(after.verdict) > strictness(before.verdict)) tightened += 1;
      }),
      RUNS,
    );
    expect(tightened).toBeGreaterThan(10);
  });

  test('the order of layers is irrelevant, to the verdict and to the hash', () => {
    fc.assert(
      fc.property(policy, layers.chain((all) => fc.tuple(fc.constant(all), fc.shuffledSubarray(all, { minLength: all.length }))), facts, (own, [above, shuffled], on) => {
        expect(rulingOn(own, shuffled, on)).toEqual(rulingOn(own, above, on));
        expect(policyHash(composePolicy({ own, layers: shuffled, levels: {} }))).toBe(policyHash(composePolicy({ own, layers: above, levels: {} })));
      }),
      RUNS,
    );
  });

  test('invariant 17: the caps of a composed ruling are inside those of each part alone', () => {
    let capped = 0;
    fc.assert(
      fc.property(policy, layers, facts, (own, above, on) => {
        const { verdict, caps: composed } = rulingOn(own, above, on);
        if (verdict === 'QUARANTINE' || verdict === 'DENY') return;
        const alone = [rulingOn(own, [], on), ...above.map((layer) => rulingOn(own, [layer], on))];
        for (const { caps: part } of alone) expect(capsContain(part, composed)).toBe(true);
        if (Object.keys(composed).length > 0) capped += 1;
      }),
      RUNS,
    );
    expect(capped).toBeGreaterThan(50);
  });

  test('P8: no level of autonomy loosens what policy says', () => {
    fc.assert(
      fc.property(policy, layers, facts, level, level, (own, above, on, one, any) => {
        const before = rulingOn(own, above, on);
        isNoLooser(before, rulingOn(own, above, on, { [on.agent]: { [on.action_kind]: one } }));
        isNoLooser(before, rulingOn(own, above, on, { [on.agent]: { '*': any } }));
        expect(rulingOn(own, above, on, { [on.agent]: { [on.action_kind]: 'auto', '*': any } })).toEqual(before);
        expect(rulingOn(own, above, on, { other: { '*': one } })).toEqual(before);
      }),
      RUNS,
    );
  });
});
