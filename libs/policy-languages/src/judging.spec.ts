import { describe, expect, test } from '@jest/globals';
import { VERDICTS } from '@exequatur/contracts';
import type { PolicyFacts, Verdict } from '@exequatur/contracts';
import { deriveFacts, evaluate, judge, policyFile, registeredKinds } from '@exequatur/policy-domain';
import type { Policy, ProposalWithJson, Ruling } from '@exequatur/policy-domain';
import { policyLanguages, readPolicyText } from './index.js';

const policyOf = (source: string): Policy => {
  const file = policyFile(source, readPolicyText, policyLanguages);
  if (!file.ok) throw new Error(JSON.stringify(file.findings));
  return file.policy;
};

/** The policy file of the contract, with what the tool table needs for it. */
const contract = policyOf(`
version: 1
classes:
  financial: { kinds: [payment.refund], default: require_approval }
  internal: { kinds: [crm.update], default: allow }
tools:
  billing.refund:
    kind: payment.refund
    risk_points: 20
    risk_tags: [payment]
    environment: prod
    target: /account
    disclose: [target]
    extract: { amount.USD: /amount, rows: /rows, fact.region: /region }
    bounded: [/amount]
    arguments:
      type: object
      required: [account, amount]
      additionalProperties: false
      properties:
        account: { type: string, pattern: "^A-[0-9]+$" }
        amount: { type: string }
        region: { enum: [eu, us] }
        rows: { type: integer }
rules:
  - id: refund-small
    match: { kind: payment.refund, env: [prod] }
    when: "amount('USD') <= money('42.00','USD') && action.reversal.handle != ''"
    decision: allow_with_caps
    caps: { max_amount: { USD: "42.00" }, expires_in: 10m }
  - id: payment-dual
    match: { risk_tags: [payment] }
    unless: { rule: refund-small }
    decision: require_approval
    approval: { stages: [{ roles: [finance], quorum: 1 }, { roles: [finance-lead], quorum: 1 }], distinct: true, sla: 1h, ttl: 4h, on_timeout: { escalate: cfo } }
    reason: Financial operations need two people
  - id: no-us
    match: { kind: payment.refund }
    when: "has(action.rows) && action.rows > 5 && fact('region') == 'us'"
    decision: deny
limits: { run: { max_steps: 25, max_tool_calls: 12, max_seconds: 60, max_usd: "1.00" } }
`);

const proposal = (change: Partial<ProposalWithJson> = {}): ProposalWithJson => ({
  scope_path: 'tenant:acme/workspace:sales',
  run_id: 'run-1',
  action_kind: 'payment.refund',
  tool: { name: 'billing.refund', version: '1.0' },
  arguments: { account: 'A-7', amount: '42.00' },
  reversal: { handle: 'credit-note' },
  execution_mode: 'managed',
  ...change,
});
const rulingOn = (policy: Policy, asked: ProposalWithJson): Ruling =>
  judge(policy, new Set(registeredKinds(policy)), deriveFacts(policy, asked, { tenant: 'acme', agent: 'bot' }, policyLanguages.schemas), policyLanguages.conditions);

describe('the policy of the contract', () => {
  test.each<[string, Partial<ProposalWithJson>, Partial<Ruling>]>([
    ['a small refund that can be undone', {}, { verdict: 'ALLOW_WITH_CAPS', rule_id: 'refund-small' }],
    ['one cent more', { arguments: { account: 'A-7', amount: '42.01' } }, { verdict: 'REQUIRE_APPROVAL', rule_id: 'payment-dual' }],
    ['one that cannot be undone', { reversal: { reason: 'none' } }, { verdict: 'REQUIRE_APPROVAL', rule_id: 'payment-dual' }],
    ['invariant 27: a fact that a condition reads and the arguments lack', { arguments: { account: 'A-7', amount: '1.00', rows: 6 } }, { verdict: 'QUARANTINE', code: 'QUARANTINED_POLICY_ERROR', rule_id: 'no-us' }],
    ['many rows, elsewhere', { arguments: { account: 'A-7', amount: '1.00', rows: 6, region: 'eu' } }, { verdict: 'ALLOW_WITH_CAPS' }],
    ['many rows, there', { arguments: { account: 'A-7', amount: '1.00', rows: 6, region: 'us' } }, { verdict: 'DENY', rule_id: 'no-us' }],
    ['arguments that fail their schema', { arguments: { account: 'A-7', amount: '1.00', bcc: 'x' } }, { verdict: 'QUARANTINE', code: 'QUARANTINED_OUT_OF_BOUNDS', rule_id: 'tool:billing.refund' }],
    ['a pattern that fails', { arguments: { account: 'B-7', amount: '1.00' } }, { verdict: 'QUARANTINE', code: 'QUARANTINED_OUT_OF_BOUNDS' }],
  ])('%s', (_, change, expected) => {
    expect(rulingOn(contract, proposal(change))).toMatchObject(expected);
  });

  test('two people of finance, escalated to the cfo', () => {
    expect(rulingOn(contract, proposal({ arguments: { account: 'A-7', amount: '50.00' } })).demand).toEqual({ stages: [{ roles: ['finance'], quorum: 1 }, { roles: ['finance-lead'], quorum: 1 }], distinct: true, sla_ms: 3_600_000, ttl_ms: 14_400_000, on_timeout: 'escalate', escalate_to: 'cfo' });
  });

  test('invariant 27: whoever lacks the language sets aside what it cannot evaluate, and never allows it', () => {
    const facts = deriveFacts(contract, proposal(), { tenant: 'acme', agent: 'bot' }, policyLanguages.schemas).facts;
    expect(evaluate(contract, new Set(registeredKinds(contract)), facts)).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_POLICY_ERROR' });
    expect(judge(contract, new Set(registeredKinds(contract)), deriveFacts(contract, { ...proposal(), arguments: { account: 'A-8', amount: '1.00' } }, { tenant: 'acme', agent: 'bot' }), policyLanguages.conditions)).toMatchObject({ verdict: 'ALLOW_WITH_CAPS' });
  });

  test('facts carry what rules may read, and nothing that was not disclosed', () => {
    expect(deriveFacts(contract, proposal({ arguments: { account: 'A-7', amount: '1.00', region: 'eu', rows: 3 }, risk_tags: ['urgent'] }), { tenant: 'acme', agent: 'bot' }, policyLanguages.schemas).facts).toMatchObject({
      environment: 'prod',
      target: 'A-7',
      rows: 3,
      named: { region: 'eu' },
      risk_tags: ['payment', 'urgent'],
      derived: { environment: 'prod', risk_tags: ['payment'], risk_points: 20 },
    });
  });
});

describe('claims', () => {
  const claims = policyOf(`
version: 1
classes: { work: { kinds: [crm.update, crm.delete, crm.list], default: require_approval } }
rules:
  - { id: vip, match: { risk_tags: [vip] }, decision: allow }
  - { id: dev, match: { kind: crm.update, env: [dev] }, decision: allow }
  - { id: cheap, match: { kind: crm.delete }, decision: allow_with_caps, caps: { max_amount: { USD: "1.00" } } }
  - { id: alarm, match: { risk_tags: [alarm] }, decision: deny }
`);
  const crm = (change: Partial<ProposalWithJson>): ProposalWithJson => proposal({ action_kind: 'crm.delete', tool: { name: 'crm', version: '1' }, arguments: {}, ...change });

  test.each<[string, Partial<ProposalWithJson>, Verdict]>([
    ['a claimed tag allows nothing', { action_kind: 'crm.list', risk_tags: ['vip'] }, 'REQUIRE_APPROVAL'],
    ['a claimed amount is not inside a cap', { estimates: [{ unit: 'USD_MICROCENTS', amount: '1' }] }, 'REQUIRE_APPROVAL'],
    ['a claimed environment is none', { action_kind: 'crm.update', environment: 'dev' }, 'QUARANTINE'],
    ['a claimed tag denies', { risk_tags: ['alarm'] }, 'DENY'],
  ])('%s', (_, change, verdict) => {
    expect(rulingOn(claims, crm(change)).verdict).toBe(verdict);
  });
});

describe('gates', () => {
  const gates = policyOf(`
version: 1
classes:
  notes: { kinds: [note.add], default: allow, confidence: { ask_below: 0.6 } }
  texts: { kinds: [sms.send], default: allow }
rules:
  - { id: mail, match: { kind: message.send, topics: [newsletter] }, decision: require_approval, confidence: { log_from: 0.95 }, sample: 0.5, reason: Newsletters are read first }
  - { id: evidence, match: { kind: crm.update }, decision: allow, requires: { evidence: true } }
  - { id: cause, match: { kind: crm.delete }, decision: require_approval, requires: { evidence: true } }
  - { id: sms, match: { tool: "sms.send@>=1.2 <2", target: "+43*" , data_labels: [phone] }, decision: deny }
tools:
  newsletter: { kind: message.send, topics: [newsletter] }
  sms.send: { kind: sms.send, target: /to, disclose: [target], data_labels: [phone] }
`);
  const ask = (action_kind: string, tool: string, change: Partial<ProposalWithJson> = {}): Ruling => rulingOn(gates, proposal({ action_kind, tool: { name: tool, version: '1.3' }, arguments: { to: '+43 1' }, ...change }));

  test('low confidence only adds scrutiny', () => {
    expect(ask('note.add', 'notes', { confidence: '0.6' })).toMatchObject({ verdict: 'ALLOW' });
    expect(ask('note.add', 'notes', { confidence: '0.59' })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'class:notes' });
    expect(ask('note.add', 'notes')).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
  });

  test('a rule may relax approval to LOG, and the decision says so', () => {
    expect(ask('message.send', 'newsletter', { confidence: '0.95' })).toMatchObject({ verdict: 'ALLOW', tier: 'LOG', sample_ppm: 500_000, reason: 'Newsletters are read first; relaxed to LOG, since the stated confidence of 0.95 reaches 0.95' });
    expect(ask('message.send', 'newsletter', { confidence: '0.94' })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', reason: 'Newsletters are read first' });
  });

  test('what a rule requires', () => {
    const evidence = [{ title: 'Ticket', url: 'https://tickets.example/1' }];
    expect(ask('crm.update', 'crm')).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
    expect(ask('crm.update', 'crm', { evidence })).toMatchObject({ verdict: 'ALLOW' });
    expect(ask('crm.delete', 'crm')).toMatchObject({ verdict: 'DENY', code: 'POLICY_DENIED', reason: 'A person is asked only with evidence' });
    expect(ask('crm.delete', 'crm', { evidence })).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
  });

  test('version ranges, disclosed targets and data labels', () => {
    expect(ask('sms.send', 'sms.send')).toMatchObject({ verdict: 'DENY', rule_id: 'sms' });
    expect(ask('sms.send', 'sms.send', { tool: { name: 'sms.send', version: '2.0' } }).rule_id).toBe('class:texts');
    expect(ask('sms.send', 'sms.send', { arguments: { to: '+49 1' } }).rule_id).toBe('class:texts');
    expect(ask('sms.send', 'sms.send', { tool: { name: 'sms.send', version: 'beta' } })).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_POLICY_ERROR' });
  });

  test('an unknown kind is told its nearest', () => {
    expect(ask('message.sent', 'x').reason).toContain('the nearest known are message.send');
  });
});

describe('a million unknown kinds', () => {
  /** A linear congruential generator, so that a failure can be seen again. */
  const draw = (seed: number): (() => number) => {
    let state = seed >>> 0;
    return () => (state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0);
  };

  test('invariant 27: none is allowed, or put before a person', () => {
    const next = draw(20_251_120);
    const letters = 'abcdefghijklmnopqrstuvwxyz._-0123456789';
    const known = new Set(registeredKinds(contract));
    const base: PolicyFacts = deriveFacts(contract, proposal(), { tenant: 'acme', agent: 'bot' }, policyLanguages.schemas).facts;
    let judged = 0;
    for (let round = 0; round < 1_000_000; round += 1) {
      const at = next() % 14;
      const kind = `payment.refund`.slice(0, at) + (letters[(next() >>> 8) % letters.length] ?? 'x') + `payment.refund`.slice(at + ((next() >>> 16) % 2));
      if (known.has(kind)) continue;
      judged += 1;
      const { verdict } = evaluate(contract, known, { ...base, action_kind: kind }, policyLanguages.conditions);
      if (VERDICTS.indexOf(verdict) < VERDICTS.indexOf('QUARANTINE')) throw new Error(`${kind} gets ${verdict}`);
    }
    expect(judged).toBeGreaterThan(900_000);
  }, 120_000);
});
