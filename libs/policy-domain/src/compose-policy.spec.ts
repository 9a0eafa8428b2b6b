import { describe, expect, test } from '@jest/globals';
import type { PolicyFacts } from '@exequatur/contracts';
import type { JsonObject } from '@exequatur/kernel';
import { factsOf, policyFrom } from './fixtures.js';
import { composePolicy, evaluate, explain, levelOf, limitsOf, needsSecondPerson, ownPolicy, parsePolicy, policyDiff, policyHash, policyText, readPolicy, registeredKinds, withLevel } from './index.js';
import type { AutonomyLevels, LayerKind, Policy, PolicyLayer, Ruling } from './index.js';

const own = policyFrom({
  classes: { mail: { kinds: ['message.email.send'], default: 'allow', on_silence: 'expire' }, read: { kinds: ['crm.read', '*.read'], default: 'allow' }, pay: { kinds: ['payment.refund'], default: 'require_approval', approval: { roles: 'finance' } } },
  rules: [{ id: 'mail-caps', match: { kind: 'message.email.send', risk_tags: 'bulk' }, decision: 'allow_with_caps', caps: { environments: ['prod', 'test'], max_uses: 5 } }],
});
const layerOf = (kind: LayerKind, document: JsonObject): Policy => {
  const parsed = parsePolicy({ version: 1, ...document }, {}, kind);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
  return parsed.policy;
};
const organisation = (document: JsonObject): PolicyLayer => ({ name: 'organisation', policy: layerOf('organisation', document) });
const overlay = (scope: string, document: JsonObject): PolicyLayer => ({ name: 'overlay:sales', scope, policy: layerOf('overlay', document) });
const findings = (kind: LayerKind, document: JsonObject): readonly string[] => {
  const parsed = parsePolicy({ version: 1, ...document }, {}, kind);
  return parsed.ok ? [] : parsed.findings.map(({ path, message }) => `${path} ${message}`);
};
const rulingOn = (layers: readonly PolicyLayer[], change: Partial<PolicyFacts> = {}, levels: AutonomyLevels = {}): Ruling => evaluate(composePolicy({ own, layers, levels }), new Set(registeredKinds(own)), factsOf(change));
const mail = { match: { kind: 'message.email.send' } };

describe('layers', () => {
  test('an invariant that allows loosens nothing, neither a class default nor an unknown kind', () => {
    const generous = organisation({ classes: { all: { kinds: ['*', 'secrets.read'], default: 'allow', on_silence: 'expire' } }, rules: [{ id: 'all', match: {}, decision: 'allow' }] });
    expect(rulingOn([generous], { action_kind: 'payment.refund' })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'class:pay' });
    expect(rulingOn([generous], { action_kind: 'secrets.read' })).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_UNKNOWN_KIND' });
  });

  test('a layer says nothing of what it does not name', () => {
    expect(rulingOn([organisation({ rules: [{ id: 'no', match: { kind: 'other.kind' }, decision: 'deny' }] })])).toEqual(rulingOn([]));
  });

  test('no rule of a tenant stands against an invariant, which a ruling names by its layer', () => {
    const layers = [organisation({ rules: [{ id: 'no-mail', ...mail, decision: 'deny', reason: 'Not from here' }] })];
    expect(rulingOn(layers)).toMatchObject({ verdict: 'DENY', rule_id: 'organisation/no-mail', reason: 'Not from here', code: 'POLICY_DENIED' });
  });

  test('an overlay holds in its scope, and not beside it', () => {
    const layers = [overlay('tenant:acme/workspace:sales', { rules: [{ id: 'ask', ...mail, decision: 'require_approval', approval: { roles: 'sales-lead' } }] })];
    expect(rulingOn(layers)).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'overlay:sales/ask', demand: { stages: [{ roles: ['sales-lead'] }] } });
    expect(rulingOn(layers, { scope_path: 'tenant:acme/workspace:salesforce' })).toMatchObject({ verdict: 'ALLOW' });
  });

  test('caps intersect across verdicts, approvals stack', () => {
    const capped = organisation({ rules: [{ id: 'cap', ...mail, decision: 'allow_with_caps', caps: { environments: ['prod'], max_uses: 9 } }] });
    expect(rulingOn([capped], { environment: 'prod', risk_tags: ['bulk'] })).toMatchObject({ verdict: 'ALLOW_WITH_CAPS', rule_id: 'mail-caps+organisation/cap', caps: { environments: ['prod'], max_uses: 5 } });
    expect(rulingOn([capped], { environment: 'test' })).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_OUT_OF_BOUNDS' });
    const asking = overlay('tenant:acme', { rules: [{ id: 'ask', match: {}, decision: 'require_approval', approval: { roles: 'legal', ttl: '1h' } }] });
    expect(rulingOn([capped, asking], { environment: 'prod', risk_tags: ['bulk'] })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', caps: { environments: ['prod'], max_uses: 5 }, demand: { stages: [{ roles: ['legal'] }] } });
    expect(rulingOn([asking], { action_kind: 'payment.refund' })).toMatchObject({ rule_id: 'class:pay+overlay:sales/ask', demand: { stages: [{ roles: ['finance'] }, { roles: ['legal'] }], ttl_ms: 3_600_000 } });
  });

  test('silence counts as unknown where one part says so, and a layer says so only of kinds it classes', () => {
    expect(rulingOn([organisation({ classes: { m: { kinds: 'message.email.send', default: 'allow' } } })])).toMatchObject({ on_silence: 'unknown' });
    expect(rulingOn([organisation({ rules: [{ id: 'a', match: {}, decision: 'allow' }] })])).toMatchObject({ on_silence: 'expire' });
  });

  test('a condition or fact that a layer cannot judge sets aside', () => {
    expect(rulingOn([organisation({ rules: [{ id: 'env', match: { env: 'test' }, decision: 'deny' }] })])).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_POLICY_ERROR' });
  });

  test('one hash covers all parts, and the text gives them back', () => {
    const layers = [organisation({ rules: [{ id: 'no-mail', ...mail, decision: 'deny' }] })];
    const composed = composePolicy({ own, layers, levels: { bot: { '*': 'log' } } });
    expect(new Set([policyHash(own), policyHash(composePolicy({ own, layers, levels: {} })), policyHash(composed)]).size).toBe(3);
    expect(ownPolicy(readPolicy(policyText(composed)))).toEqual(own);
    expect(evaluate(readPolicy(policyText(composed)), new Set(registeredKinds(own)), factsOf())).toMatchObject({ verdict: 'DENY' });
    expect(policyDiff(own, composed)).toEqual([
      expect.objectContaining({ part: 'rule', id: 'organisation/no-mail', change: 'added' }),
      { part: 'layer', id: 'organisation', change: 'added', after: 'everywhere' },
      { part: 'level', id: 'bot *', change: 'added', after: 'log' },
    ]);
  });

  test('explain names the rules of every layer that holds here, and whose caps were intersected', () => {
    const layers = [organisation({ rules: [{ id: 'cap', ...mail, decision: 'allow_with_caps', caps: { max_uses: 2 } }] }), overlay('tenant:acme/workspace:legal', { rules: [{ id: 'far', match: {}, decision: 'deny' }] })];
    const explained = explain(composePolicy({ own, layers, levels: { 'outreach-bot': { '*': 'log' } } }), new Set(registeredKinds(own)), factsOf({ environment: 'prod', risk_tags: ['bulk'] }));
    expect(explained.rules.map(({ rule_id, result }) => [rule_id, result])).toEqual([['mail-caps', 'matched'], ['organisation/cap', 'matched']]);
    expect(explained).toMatchObject({ autonomy: 'log', ruling: { tier: 'LOG', caps: { max_uses: 2 } }, caps: [{ rule_id: 'mail-caps' }, { rule_id: 'organisation/cap', caps: { max_uses: 2 } }] });
  });

  test('limits of the organisation hold beside the tenant’s: the smaller, and every rule of velocity', () => {
    const layers = [organisation({ limits: { run: { max_steps: 5, max_usd: '2.00' }, velocity: [{ id: 'v', window: '1h', max_count: 1 }] } })];
    const tenant = policyFrom({ classes: { a: { kinds: 'a.b', default: 'deny' } }, limits: { run: { max_steps: 9, max_seconds: 60, max_usd: '1.00' }, velocity: [{ id: 'v', window: '1h', max_count: 7 }], circuit: { threshold: 0.5 } } });
    expect(limitsOf(composePolicy({ own: tenant, layers, levels: {} }))).toMatchObject({ run: { max_steps: 5, max_seconds: 60, max_usd: '100000000' }, velocity: [{ id: 'v', max_count: 7 }, { id: 'organisation/v', max_count: 1 }], circuit: { threshold_ppm: 500_000 } });
    expect(limitsOf(composePolicy({ own, layers, levels: {} }))).toMatchObject({ run: { max_steps: 5 } });
    expect(limitsOf(own)).toBeUndefined();
  });

  test('once one part asks for a second person, none takes it back', () => {
    const strict = organisation({ publication: { second_person: true }, rules: [{ id: 'a', match: {}, decision: 'allow' }] });
    const careless = policyFrom({ classes: { a: { kinds: 'a.b', default: 'deny' } }, publication: { second_person: false } });
    expect([careless, composePolicy({ own: careless, layers: [strict], levels: {} })].map(needsSecondPerson)).toEqual([false, true]);
  });

  test('what a layer cannot say is a fault of its file', () => {
    expect(findings('organisation', { tools: { 'mailer.send': { kind: 'a.b', versions: '1.0', risk_points: 0 } }, limits: { circuit: {} }, autonomy: {} })).toEqual(['/autonomy unknown key "autonomy"; known are version, classes, tools, rules, limits, publication', '/tools/mailer.send/risk_points unknown key "risk_points"; known are kind, versions', '/limits/circuit unknown key "circuit"; known are run, velocity']);
    expect(findings('overlay', { limits: {}, publication: {} })).toHaveLength(3);
    expect(findings('overlay', { rules: [{ id: 'a', match: {}, decision: 'deny' }] })).toEqual([]);
  });
});

describe('P8: levels of autonomy', () => {
  const on = (level: 'observe_only' | 'gate_all' | 'log' | 'auto', change: Partial<PolicyFacts> = {}): Ruling => rulingOn([], change, { 'outreach-bot': { '*': level } });

  test('each level adds its own restriction, and says what policy alone would have said', () => {
    expect(on('auto')).toEqual(rulingOn([]));
    expect(on('log')).toMatchObject({ verdict: 'ALLOW', tier: 'LOG', sample_ppm: 100_000 });
    expect(on('gate_all', { environment: 'prod', risk_tags: ['bulk'] })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'autonomy:gate_all', demand: { stages: [{ roles: ['approver'], quorum: 1 }] }, caps: { max_uses: 5 }, reason: expect.stringContaining('policy alone says ALLOW_WITH_CAPS (mail-caps)') });
    expect(on('observe_only')).toMatchObject({ verdict: 'DENY', code: 'POLICY_DENIED', rule_id: 'autonomy:observe_only' });
  });

  test('gate_all leaves policy’s own demand alone where there is one, and takes nothing from a denial', () => {
    expect(on('gate_all', { action_kind: 'payment.refund' })).toMatchObject({ rule_id: 'class:pay', demand: { stages: [{ roles: ['finance'] }] } });
    expect(on('gate_all', { action_kind: 'unknown.call' })).toMatchObject({ verdict: 'QUARANTINE' });
  });

  test('a kind’s own level stands before the one for all kinds; names from outside find nothing inherited', () => {
    const levels: AutonomyLevels = { bot: { '*': 'gate_all', 'a.b': 'auto' } };
    const policy = composePolicy({ own, layers: [], levels });
    expect([levelOf(policy, 'bot', 'a.b'), levelOf(policy, 'bot', 'a.c'), levelOf(policy, 'constructor', 'a.b'), levelOf(policy, 'bot', 'toString')]).toEqual(['auto', 'gate_all', undefined, 'gate_all']);
    expect(withLevel(levels, 'bot', '*', 'auto')).toEqual({ bot: { 'a.b': 'auto' } });
    expect(withLevel({ bot: { '*': 'log' } }, 'bot', '*', 'auto')).toEqual({});
    expect(withLevel(levels, 'other', 'x.y', 'log')).toEqual({ ...levels, other: { 'x.y': 'log' } });
  });
});
