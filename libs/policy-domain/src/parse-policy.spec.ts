import { describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@exequatur/kernel';
import { policyFrom } from './fixtures.js';
import { parsePolicy, policyHash, policyText, readPolicy } from './index.js';

const findings = (document: JsonValue): readonly string[] => {
  const parsed = parsePolicy(document);
  return parsed.ok ? [] : parsed.findings.map(({ path, message }) => `${path}: ${message}`);
};

const whole = {
  version: 1,
  classes: { read_only: { kinds: ['*.read', 'research.*'], default: 'allow', retention: '180d', on_silence: 'expire' }, write: { kinds: ['draft.email'], default: 'allow', tier: 'log', sample: 0.05 } },
  tools: { 'billing.refund': { kind: 'payment.refund', risk_points: 20, target: '/account', extract: { 'amount.USD': '/amount' }, bounded: ['/amount'] } },
  rules: [
    { id: 'small', match: { kind: 'payment.refund', env: ['prod'] }, decision: 'allow_with_caps', caps: { max_amount: { USD: '42.00' }, expires_in: '10m' } },
    { id: 'dual', match: { risk_tags: ['payment'] }, unless: { rule: 'small' }, decision: 'require_approval', approval: { stages: [{ roles: ['finance'], quorum: 2 }], sla: '1h', ttl: '4h' }, reason: 'Two people' },
  ],
};

describe('a policy file', () => {
  test('comes out in normal form: milliseconds, micro-cents, lists', () => {
    const { rules, classes, tools } = policyFrom(whole);
    expect(rules[0]).toEqual({ id: 'small', match: { kind: ['payment.refund'], env: ['prod'] }, decision: 'allow_with_caps', caps: { max_amount: { USD_MICROCENTS: '4200000000' }, expires_in_ms: 600_000 } });
    expect(rules[1]?.approval).toEqual({ stages: [{ roles: ['finance'], quorum: 2 }], distinct: true, sla_ms: 3_600_000, ttl_ms: 14_400_000, on_timeout: 'deny' });
    expect(rules[1]?.unless).toBe('small');
    expect(classes.read_only?.retention_ms).toBe(15_552_000_000);
    expect(classes.write).toMatchObject({ tier: 'LOG', sample_ppm: 50_000, on_silence: 'unknown' });
    expect(tools['billing.refund']).toEqual({ kind: 'payment.refund', risk_points: 20, target: '/account', amounts: { USD: '/amount' }, bounded: ['/amount'] });
  });

  test('carries its limits, in micro-cents and milliseconds', () => {
    const { limits } = policyFrom({
      ...whole,
      limits: { run: { max_steps: 25, max_usd: '1.00' }, velocity: [{ id: 'mails', by: ['agent', 'kind'], window: '1h', max_count: 100, kinds: ['message.*'] }, { id: 'money', window: '1d', max_amount: { USD: '500.00' } }], circuit: { threshold: 0.15, window: '1h', drift: 0.25 } },
    });
    expect(limits).toEqual({
      run: { max_steps: 25, max_usd: '100000000' },
      velocity: [{ id: 'mails', by: ['agent', 'kind'], window_ms: 3_600_000, max_count: 100, kinds: ['message.*'] }, { id: 'money', by: [], window_ms: 86_400_000, max_amount: { unit: 'USD_MICROCENTS', amount: '50000000000' } }],
      circuit: { threshold_ppm: 150_000, window_ms: 3_600_000, drift_ppm: 250_000 },
    });
  });

  test('has one hash, also after its canonical text was read back', () => {
    const policy = policyFrom(whole);
    expect(policyHash(readPolicy(policyText(policy)))).toBe(policyHash(policy));
    expect(policyHash(policyFrom({ ...whole, rules: [] }))).not.toBe(policyHash(policy));
  });

  test.each<[string, JsonValue, string]>([
    ['a typo in a field name', { ...whole, clases: {} }, '/clases: unknown key "clases"; did you mean "classes"?'],
    ['a typo inside a rule', { ...whole, rules: [{ id: 'a', match: { knid: 'x' }, decision: 'deny' }] }, '/rules/0/match/knid: unknown key "knid"; did you mean "kind"?'],
    ['a condition that is no text', { ...whole, rules: [{ id: 'a', match: {}, when: true, decision: 'deny' }] }, '/rules/0/when: must be text'],
    ['a condition past its bound', { ...whole, rules: [{ id: 'a', match: {}, when: 'x'.repeat(1_025), decision: 'deny' }] }, '/rules/0/when: must have at most 1024 characters'],
    ['a requirement a denial cannot have', { ...whole, rules: [{ id: 'a', match: {}, requires: { evidence: true }, decision: 'deny' }] }, '/rules/0/requires: "requires" does nothing with deny'],
    ['a gate that would relax an allowance', { ...whole, rules: [{ id: 'a', match: {}, decision: 'allow', confidence: { log_from: 0.9 } }] }, '/rules/0/confidence/log_from: "log_from" does nothing with allow; it goes with require_approval'],
    ['a tool version that is none', { ...whole, rules: [{ id: 'a', match: { tool: 'mailer.send@>=1.x' }, decision: 'deny' }] }, '/rules/0/match/tool: must be a tool: name, name@1.0 or name@>=1.2 <2'],
    ['an extractor nobody knows', { ...whole, tools: { t: { kind: 'k', extract: { 'fact.Region': '/r' } } } }, '/tools/t/extract/fact.Region: unknown key "fact.Region"; known are recipients, rows, model, amount.<currency or unit> such as amount.USD, and fact.<name> such as fact.region'],
    ['a limit nobody knows', { ...whole, limits: { run: { max_step: 3 } } }, '/limits/run/max_step: unknown key "max_step"; did you mean "max_steps"?'],
    ['a velocity rule that limits nothing', { ...whole, limits: { velocity: [{ id: 'v', window: '1h' }] } }, '/limits/velocity/0: needs max_count or max_amount'],
    ['another version', { ...whole, version: '1' }, '/version: must be 1'],
    ['an unknown decision', { ...whole, rules: [{ id: 'a', match: {}, decision: 'permit' }] }, '/rules/0/decision: must be one of allow, allow_with_caps, require_approval, quarantine, deny'],
    ['caps that do nothing', { ...whole, rules: [{ id: 'a', match: {}, decision: 'deny', caps: {} }] }, '/rules/0/caps: "caps" does nothing with deny; it goes with allow_with_caps or require_approval'],
    ['money as a fraction', { ...whole, rules: [{ id: 'a', match: {}, decision: 'allow_with_caps', caps: { max_amount: { USD: 42.5 } } }] }, '/rules/0/caps/max_amount/USD: must be an amount as text, such as "42.00"'],
    ['a total of no unit', { ...whole, rules: [{ id: 'a', match: {}, decision: 'allow_with_caps', caps: { max_total: {} } }] }, '/rules/0/caps/max_total: must name a unit, such as USD or RISK_POINTS'],
    ['points as a fraction', { ...whole, rules: [{ id: 'a', match: {}, decision: 'allow_with_caps', caps: { max_total: { RISK_POINTS: '1.5' } } }] }, '/rules/0/caps/max_total/RISK_POINTS: must be an amount such as "42.00" (too_precise)'],
    ['a duration without unit', { ...whole, rules: [{ id: 'a', match: {}, decision: 'allow_with_caps', caps: { expires_in: 10 } }] }, '/rules/0/caps/expires_in: must be a duration such as 90s, 10m, 4h, 180d or 7y'],
    ['a rule id twice', { ...whole, rules: [whole.rules[0] ?? {}, whole.rules[0] ?? {}] as JsonValue }, '/rules/1/id: there is another rule small'],
    ['unless a rule that is not there', { ...whole, rules: [{ id: 'a', match: {}, unless: { rule: 'b' }, decision: 'deny' }] }, '/rules/0/unless: there is no other rule b'],
    ['a class that is not there', { ...whole, rules: [{ id: 'a', match: { class: 'gone' }, decision: 'deny' }] }, '/rules/0/match/class: there is no class gone'],
    ['narrowing what is not extracted', { ...whole, tools: { t: { kind: 'k', bounded: ['/x'] } } }, '/tools/t/bounded/0: only a pointer that extract names can be narrowed'],
    ['another end in silence', { ...whole, rules: [{ id: 'a', match: {}, decision: 'require_approval', approval: { roles: 'x', on_timeout: 'allow' } }] }, '/rules/0/approval/on_timeout: must be deny, expire, or { escalate: <role> }'],
    ['a kind in two classes', { version: 1, classes: { a: { kinds: ['k.x'], default: 'allow' }, b: { kinds: ['k.x'], default: 'deny' } } }, '/classes/b/kinds: k.x is in class a already'],
    ['nothing at all', { version: 1 }, ': a policy has classes or rules'],
    ['no mapping', 'version: 1', ': must be a mapping'],
  ])('with %s is refused, with its place', (_, document, finding) => {
    expect(findings(document)).toContain(finding);
  });

  test('every fault is told at once', () => {
    expect(findings({ version: 2, clases: {}, rules: [{ id: '', match: { knid: 'x' }, decision: 'permit' }] })).toHaveLength(5);
  });
});
