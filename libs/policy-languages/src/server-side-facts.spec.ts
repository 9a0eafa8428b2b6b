import { describe, expect, test } from '@jest/globals';
import { deriveFacts, judge, policyFile, registeredKinds } from '@exequatur/policy-domain';
import type { DerivedFacts, Policy, ProposalWithJson, Ruling } from '@exequatur/policy-domain';
import fc from 'fast-check';
import { policyLanguages, readPolicyText } from './index.js';

const read = (source: string) => policyFile(source, readPolicyText, policyLanguages);
const policyOf = (source: string): Policy => {
  const file = read(source);
  if (!file.ok) throw new Error(JSON.stringify(file.findings));
  return file.policy;
};

const shop = policyOf(`
version: 1
classes: { orders: { kinds: [order.place], default: require_approval } }
tools:
  shop.order:
    kind: order.place
    target: "=arguments.customer.id"
    disclose: [target]
    environment: "=arguments.sandbox ? 'test' : 'prod'"
    reversal: "cancel:{/order}/{/customer/id}"
    extract:
      amount.USD: "=total(arguments.lines.map(line, line.price))"
      recipients: "=arguments.notify.map(person, person.mail)"
      rows: "=size(arguments.lines)"
      fact.region: "=has(arguments.region) ? arguments.region : 'eu'"
rules:
  - { id: small, match: { kind: order.place, env: [prod] }, when: "amount('USD') <= money('50.00', 'USD') && action.reversal.handle != '' && fact('region') == 'eu'", decision: allow }
`);
const order = (change: object = {}) => ({ order: 'O-7', customer: { id: 'C-1' }, sandbox: false, notify: [{ mail: 'ann@acme.example' }], lines: [{ price: '19.90' }, { price: '30.10' }], ...change });
const proposal = (change: Partial<ProposalWithJson> = {}): ProposalWithJson => ({ scope_path: 'tenant:acme', run_id: 'run-1', action_kind: 'order.place', tool: { name: 'shop.order', version: '1.0' }, arguments: order() as ProposalWithJson['arguments'], execution_mode: 'managed', ...change });
const derive = (policy: Policy, change: Partial<ProposalWithJson> = {}): DerivedFacts => deriveFacts(policy, proposal(change), { tenant: 'acme', agent: 'bot' }, policyLanguages.schemas);
const ruled = (policy: Policy, change: Partial<ProposalWithJson> = {}): Ruling => judge(policy, new Set(registeredKinds(policy)), derive(policy, change), policyLanguages.conditions);
const withArguments = (change: object): Partial<ProposalWithJson> => ({ arguments: order(change) as ProposalWithJson['arguments'] });

describe('facts by expressions', () => {
  test('stand for what pointers cannot name', () => {
    expect(derive(shop)).toMatchObject({
      target: 'C-1',
      recipients: ['ann@acme.example'],
      reversal: 'cancel:O-7/C-1',
      facts: { target: 'C-1', environment: 'prod', rows: 2, named: { region: 'eu' }, recipient_count: 1, recipient_domains: ['acme.example'], amounts: [{ unit: 'USD_MICROCENTS', amount: '5000000000' }], has_reversal: true },
    });
    expect(ruled(shop)).toMatchObject({ verdict: 'ALLOW', rule_id: 'small' });
    expect(ruled(shop, withArguments({ lines: [{ price: '19.90' }, { price: '30.11' }] }))).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
  });

  test.each<[string, object]>([
    ['a price that is a float', { lines: [{ price: 0.1 }] }],
    ['a line without a price', { lines: [{ price: '1' }, {}] }],
    ['no lines', { lines: undefined }],
    ['lines that are no list', { lines: 'free' }],
    ['recipients that are no texts', { notify: [{ mail: 7 }] }],
    ['a sandbox that is no truth', { sandbox: 'yes' }],
    ['more lines than an expression is tried on', { lines: Array.from({ length: 1_001 }, () => ({ price: '0.01' })) }],
  ])('invariant 27: %s sets the action aside', (_, change) => {
    const args = Object.fromEntries(Object.entries(order(change)).filter(([, value]) => value !== undefined)) as ProposalWithJson['arguments'];
    expect(ruled(shop, { arguments: args })).toMatchObject({ verdict: 'QUARANTINE', code: 'QUARANTINED_OUT_OF_BOUNDS', rule_id: 'tool:shop.order' });
  });

  test('invariant 27: whoever lacks the language sets aside what it cannot read', () => {
    const unread = deriveFacts(policyOf(`version: 1\nclasses: { a: { kinds: [k.l], default: allow } }\ntools:\n  t: { kind: k.l, extract: { rows: "=size(arguments)" } }\n`), proposal({ action_kind: 'k.l', tool: { name: 't', version: '1' } }), { tenant: 'acme', agent: 'bot' });
    expect(unread.fault).toMatchObject({ code: 'QUARANTINED_OUT_OF_BOUNDS' });
  });

  test.each([
    ['extract: { rows: "=size(args)" }', 'Unknown variable: args'],
    ['extract: { fact.a: "=arguments.a.matches(\'x\')" }', 'there is no method matches'],
    ['extract: { amount.USD: "=" }', 'is not an expression'],
    ['extract: { amount.USD: "=arguments.amount" }, bounded: ["=arguments.amount"]', 'must be a JSON Pointer'],
    ['reversal: "undo:{account}"', 'JSON Pointers in its braces'],
    ['reversal: "undo:{/account"', 'must close what it opens'],
    ['hints: { destructiveHint: true }', 'unknown key "destructiveHint"'],
  ])('a fault is told when the policy is loaded: %s', (text, message) => {
    const file = read(`version: 1\nclasses: { a: { kinds: [k.l], default: deny } }\ntools:\n  t: { kind: k.l, ${text} }\n`);
    expect(file.ok ? [] : file.findings.map((finding) => finding.message).join('; ')).toContain(message);
  });
});

describe('a reversal template', () => {
  test('counts alone: what the agent says of undoing it is not asked', () => {
    expect(derive(shop, { ...withArguments({ order: '' }), reversal: { handle: 'trust me' } })).toMatchObject({ facts: { has_reversal: false } });
    expect(ruled(shop, { ...withArguments({ order: '' }), reversal: { handle: 'trust me' } })).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
  });

  test('a handle longer than the contract carries is none', () => {
    expect(derive(shop, withArguments({ order: 'x'.repeat(300) })).facts.has_reversal).toBe(false);
  });
});

describe('hints of MCP', () => {
  const hinted = (hints: object): Policy => policyOf(`version: 1\nclasses: { files: { kinds: [file.write], default: allow } }\ntools:\n  fs.write: { kind: file.write, risk_tags: [disk], hints: ${JSON.stringify(hints)} }\nrules:\n  - { id: careful, match: { risk_tags: ["mcp:destructive", "mcp:open-world"] }, decision: require_approval }\n  - { id: harmless, match: { risk_tags: ["mcp:read-only"] }, decision: allow }\n`);
  const write: Partial<ProposalWithJson> = { action_kind: 'file.write', tool: { name: 'fs.write', version: '1' } };

  test('add what they warn of', () => {
    expect(derive(hinted({ destructive: true, open_world: true }), write).facts.risk_tags).toEqual(['disk', 'mcp:destructive', 'mcp:open-world']);
    expect(ruled(hinted({ destructive: true }), write).verdict).toBe('REQUIRE_APPROVAL');
  });

  test('never lower risk: whatever a server says of its tool, no tag is gone and no verdict looser', () => {
    const hints = fc.record({ read_only: fc.boolean(), destructive: fc.boolean(), idempotent: fc.boolean(), open_world: fc.boolean() }, { requiredKeys: [], noNullPrototype: true });
    fc.assert(
      fc.property(hints, (stated) => {
        expect(derive(hinted(stated), write).facts.risk_tags).toEqual(expect.arrayContaining(['disk']));
        expect(['ALLOW', 'REQUIRE_APPROVAL'].indexOf(ruled(hinted(stated), write).verdict)).toBeGreaterThanOrEqual(['ALLOW', 'REQUIRE_APPROVAL'].indexOf(ruled(hinted({}), write).verdict));
        if (stated.destructive !== true && stated.open_world !== true) expect(ruled(hinted(stated), write).verdict).toBe(ruled(hinted({}), write).verdict);
      }),
      { numRuns: 100 },
    );
  });
});

describe('caps of one’s own', () => {
  const mailing = policyOf(`
version: 1
classes: { mail: { kinds: [mail.send], default: require_approval } }
tools:
  mailer: { kind: mail.send, extract: { fact.attachments: "=has(arguments.files) ? size(arguments.files) : 0", fact.pages: /pages } }
rules:
  - { id: few, match: { kind: mail.send }, decision: allow_with_caps, caps: { own: { attachments: 3 } } }
  - { id: short, match: { kind: mail.send, risk_tags: [report] }, decision: allow_with_caps, caps: { own: { attachments: 2, pages: 10 } } }
`);
  const mail = (args: object, more: Partial<ProposalWithJson> = {}): Ruling => ruled(mailing, { action_kind: 'mail.send', tool: { name: 'mailer', version: '1' }, arguments: args as ProposalWithJson['arguments'], ...more });

  test('are thresholds, and go with the grant', () => {
    expect(mail({ files: ['a', 'b', 'c'] })).toMatchObject({ verdict: 'ALLOW_WITH_CAPS', caps: { own: { attachments: '3' } } });
    expect(mail({})).toMatchObject({ verdict: 'ALLOW_WITH_CAPS' });
    expect(mail({ files: ['a', 'b', 'c', 'd'] })).toMatchObject({ verdict: 'REQUIRE_APPROVAL', rule_id: 'class:mail' });
  });

  test('invariant 27: a fact that is not there, or counts nothing, is not inside', () => {
    const report = { risk_tags: ['report'] };
    expect(mail({ files: ['a'], pages: 10 }, report)).toMatchObject({ verdict: 'ALLOW_WITH_CAPS', rule_id: 'few+short', caps: { own: { attachments: '2', pages: '10' } } });
    for (const pages of [11, '1e1', '-1', 'ten', 9.5]) expect([pages, mail({ files: ['a'], pages }, report).verdict]).toEqual([pages, 'QUARANTINE']);
    expect(mail({ files: ['a'] }, report).verdict).toBe('QUARANTINE');
  });

  test.each(['own: {}', 'own: { Attachments: 1 }', 'own: { attachments: -1 }', 'own: { attachments: "3" }', 'own: [attachments]'])('a fault is told when the policy is loaded: %s', (text) => {
    expect(read(`version: 1\nclasses: { a: { kinds: [k.l], default: deny } }\nrules:\n  - { id: r, match: {}, decision: allow_with_caps, caps: { ${text} } }\n`).ok).toBe(false);
  });
});
