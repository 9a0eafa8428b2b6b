import { describe, expect, test } from '@jest/globals';
import type { PolicyFacts } from '@exequatur/contracts';
import { factsOf, policyFrom } from './fixtures.js';
import { evaluate, registeredKinds, withClassifiedKinds } from './index.js';
import type { Policy, Ruling } from './index.js';

const classes = {
  read_only: { kinds: ['crm.contact.read', '*.read'], default: 'allow', on_silence: 'expire' },
  write: { kinds: ['draft.email', 'draft.*'], default: 'allow', tier: 'log', sample: 0.05 },
  external: { kinds: ['message.email.send'], default: 'require_approval' },
  prohibited: { kinds: ['customer.delete'], default: 'deny' },
};
const rule = (id: string, decision: string, match: Record<string, string | string[]>, more: Record<string, unknown> = {}) => ({ id, decision, match, ...more }) as never;
const policyWith = (...rules: never[]): Policy => policyFrom({ classes, rules });
const rulingOn = (policy: Policy, change: Partial<PolicyFacts> = {}): Ruling => evaluate(policy, new Set(registeredKinds(policy)), factsOf(change));

describe('class defaults', () => {
  test.each([
    ['crm.contact.read', 'ALLOW', 'class:read_only'],
    ['draft.email', 'ALLOW', 'class:write'],
    ['message.email.send', 'REQUIRE_APPROVAL', 'class:external'],
    ['customer.delete', 'DENY', 'class:prohibited'],
    ['unknown.call', 'QUARANTINE', 'default:unknown'],
  ])('%s: %s by %s', (action_kind, verdict, rule_id) => {
    expect(rulingOn(policyWith(), { action_kind })).toMatchObject({ verdict, rule_id });
  });

  test('LOG tier and sample come from the class, on_silence too', () => {
    expect(rulingOn(policyWith(), { action_kind: 'draft.email' })).toMatchObject({ tier: 'LOG', sample_ppm: 50_000, on_silence: 'unknown', action_class: 'write' });
    expect(rulingOn(policyWith(), { action_kind: 'crm.contact.read' })).toMatchObject({ tier: 'AUTO', on_silence: 'expire' });
  });

  test('invariant 27: a glob never matches an unregistered kind', () => {
    expect(rulingOn(policyWith(), { action_kind: 'secrets.read' })).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_UNKNOWN_KIND' });
    expect(rulingOn(policyWith(rule('all', 'allow', {})), { action_kind: 'secrets.read' })).toMatchObject({ verdict: 'QUARANTINE' });
    expect(rulingOn(policyWith(rule('all', 'require_approval', {})), { action_kind: 'secrets.read' })).toMatchObject({ verdict: 'QUARANTINE' });
  });

  test('once a person classified it, globs and its class apply', () => {
    const policy = withClassifiedKinds(policyWith(), new Map([['secrets.list', 'external']]));
    expect(rulingOn(policy, { action_kind: 'secrets.list' })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'class:external' });
  });

  test('allowed only inside thresholds, with evidence and a way back; else a person is asked', () => {
    const policy = policyFrom({ classes: { conditional: { kinds: ['crm.update'], default: 'allow', requires: { evidence: true, reversal: true, max_risk_points: 10, max_amount: { USD: '1.00' } } } } });
    const inside = { action_kind: 'crm.update', has_evidence: true, has_reversal: true, risk_points: 10, amounts: [{ unit: 'USD_MICROCENTS', amount: '100000000' }] };
    expect(rulingOn(policy, inside)).toMatchObject({ verdict: 'ALLOW' });
    for (const change of [{ has_evidence: false }, { has_reversal: false }, { risk_points: 11 }, { amounts: [{ unit: 'USD_MICROCENTS', amount: '100000001' }] }])
      expect(rulingOn(policy, { ...inside, ...change })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'class:conditional' });
  });
});

describe('rules', () => {
  const email = { kind: 'message.email.send' };

  test('the strictest matching rule wins', () => {
    const all = ['allow', 'require_approval', 'quarantine', 'deny'].map((decision) => rule(decision, decision, email));
    expect(rulingOn(policyWith(...all))).toMatchObject({ verdict: 'DENY', rule_id: 'deny', code: 'POLICY_DENIED' });
    expect(rulingOn(policyWith(...all.slice(0, 3)))).toMatchObject({ verdict: 'QUARANTINE', rule_id: 'quarantine' });
    expect(rulingOn(policyWith(...all.slice(0, 2)))).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
    expect(rulingOn(policyWith(...all.slice(0, 1)))).toMatchObject({ verdict: 'ALLOW' });
  });

  test.each<[string, Record<string, string | string[]>, Partial<PolicyFacts>, boolean]>([
    ['kind glob', { kind: 'message.*' }, {}, true],
    ['another kind', { kind: 'draft.*' }, {}, false],
    ['class', { class: 'external' }, {}, true],
    ['one of the tags', { risk_tags: ['pii', 'bulk'] }, { risk_tags: ['bulk'] }, true],
    ['no such tag', { risk_tags: 'pii' }, { risk_tags: ['bulk'] }, false],
    ['environment', { env: 'prod' }, { environment: 'prod' }, true],
    ['another environment', { env: 'prod' }, { environment: 'dev' }, false],
    ['tool', { tool: 'mailer.send' }, {}, true],
    ['tool version', { tool: 'mailer.send@2.0' }, {}, false],
    ['agent', { agent: 'outreach-bot' }, {}, true],
    ['scope above', { scope: 'tenant:acme/workspace:sales' }, {}, true],
    ['a scope that only begins alike', { scope: 'tenant:acme/workspace:sal' }, {}, false],
    ['all conditions together', { kind: 'message.*', agent: 'another' }, {}, false],
  ])('match by %s', (_, match, facts, matches) => {
    expect(rulingOn(policyWith(rule('r', 'deny', match)), facts).verdict).toBe(matches ? 'DENY' : 'REQUIRE_APPROVAL');
  });

  test('a rule that reads a missing fact sets the action aside, unless it would not match anyway', () => {
    expect(rulingOn(policyWith(rule('r', 'allow', { env: 'prod' })))).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_POLICY_ERROR', rule_id: 'r' });
    expect(rulingOn(policyWith(rule('r', 'allow', { env: 'prod', agent: 'another' })))).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
  });

  test('caps of equal rules intersect', () => {
    const capped = (id: string, usd: string, more: Record<string, unknown> = {}) => rule(id, 'allow_with_caps', email, { caps: { max_amount: { USD: usd }, ...more } });
    expect(rulingOn(policyWith(capped('a', '5.00', { max_uses: 3 }), capped('b', '2.00')), { amounts: [{ unit: 'USD_MICROCENTS', amount: '1' }] })).toMatchObject({
      verdict: 'ALLOW_WITH_CAPS',
      rule_id: 'a+b',
      caps: { max_amount: { USD_MICROCENTS: '200000000' }, max_uses: 3 },
    });
  });

  test('approvals of equal rules stack; the same stage counts once', () => {
    const asks = (id: string, roles: string, quorum: number, ttl: string) => rule(id, 'require_approval', email, { approval: { roles, quorum, ttl } });
    expect(rulingOn(policyWith(asks('a', 'finance', 1, '4h'), asks('b', 'legal', 1, '2h'), asks('c', 'finance', 2, '8h'))).demand).toEqual({
      stages: [{ roles: ['finance'], quorum: 2 }, { roles: ['legal'], quorum: 1 }],
      distinct: true,
      ttl_ms: 7_200_000,
      on_timeout: 'deny',
    });
  });

  test('what one action alone has beyond a total across uses is not allowed by the rule; a unit it does not have counts nothing', () => {
    const several = rule('several', 'allow_with_caps', email, { caps: { max_uses: 5, max_total: { USD: '5.00', RISK_POINTS: 40, TOKENS: 9 } } });
    const ofUsd = (amount: string) => rulingOn(policyWith(several), { amounts: [{ unit: 'USD_MICROCENTS', amount }] });
    expect(ofUsd('500000000')).toMatchObject({ verdict: 'ALLOW_WITH_CAPS', caps: { max_uses: 5, max_total: { RISK_POINTS: '40', TOKENS: '9', USD_MICROCENTS: '500000000' } } });
    expect(ofUsd('500000001')).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
  });

  test('beyond the caps of a rule nothing is allowed by the class either', () => {
    const small = rule('small', 'allow_with_caps', { kind: ['message.email.send', 'draft.email'] }, { caps: { max_amount: { USD: '42.00' } } });
    const above = { amounts: [{ unit: 'USD_MICROCENTS', amount: '4200000001' }] };
    expect(rulingOn(policyWith(small), { amounts: [{ unit: 'USD_MICROCENTS', amount: '4200000000' }] })).toMatchObject({ verdict: 'ALLOW_WITH_CAPS' });
    expect(rulingOn(policyWith(small), above)).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'class:external' });
    expect(rulingOn(policyWith(small), { ...above, action_kind: 'draft.email' })).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_OUT_OF_BOUNDS' });
    expect(rulingOn(policyWith(small))).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
  });

  test('unless: the excepting rule has to match, within its caps', () => {
    const small = rule('small', 'allow_with_caps', email, { caps: { max_amount: { USD: '42.00' } } });
    const dual = rule('dual', 'require_approval', email, { unless: { rule: 'small' } });
    expect(rulingOn(policyWith(small, dual), { amounts: [{ unit: 'USD_MICROCENTS', amount: '1' }] })).toMatchObject({ verdict: 'ALLOW_WITH_CAPS' });
    expect(rulingOn(policyWith(small, dual), { amounts: [{ unit: 'USD_MICROCENTS', amount: '4200000001' }] })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'dual' });
  });

  test('more stages than people can answer set the action aside', () => {
    const asks = Array.from({ length: 11 }, (_, index) => rule(`r${index}`, 'require_approval', email, { approval: { roles: `role-${index}` } }));
    expect(rulingOn(policyWith(...asks))).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_POLICY_ERROR' });
  });
});

describe('the tool table', () => {
  const tools = { 'mailer.send': { kind: 'message.email.send', versions: ['1.0'] } };
  const policy = policyFrom({ classes, tools, rules: [] });

  test('says no to facts of a tool it does not allow, also when they were judged before by an older policy', () => {
    expect(rulingOn(policy)).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
    expect(rulingOn(policy, { tool: { name: 'mailer.send', version: '0.9' } })).toMatchObject({ verdict: 'DENY', code: 'TOOL_NOT_ALLOWED', rule_id: 'tool:mailer.send' });
    expect(rulingOn(policy, { tool: { name: 'mailer.send2', version: '1.0' } })).toMatchObject({ verdict: 'DENY', code: 'TOOL_NOT_ALLOWED' });
    expect(rulingOn(policy, { action_kind: 'draft.email' })).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_OUT_OF_BOUNDS' });
    expect(rulingOn(policy, { action_kind: 'draft.email', tool: { name: 'drafts', version: '1' } })).toMatchObject({ verdict: 'ALLOW' });
  });

  test('never loosens a rule', () => {
    const denying = policyFrom({ classes, tools, rules: [{ id: 'no', match: { kind: 'draft.email' }, decision: 'deny' }] });
    expect(rulingOn(denying, { action_kind: 'draft.email' })).toMatchObject({ verdict: 'DENY', code: 'POLICY_DENIED', rule_id: 'no' });
  });
});
