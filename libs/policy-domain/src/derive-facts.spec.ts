import { describe, expect, test } from '@jest/globals';
import { factsOf, policyFrom, proposalOf } from './fixtures.js';
import { deriveFacts, judge, registeredKinds } from './index.js';
import type { ProposalWithJson, Ruling } from './index.js';

const policy = policyFrom({
  classes: { financial: { kinds: ['payment.refund', 'message.email.send', 'note.add'], default: 'allow' } },
  tools: {
    'billing.refund': { kind: 'payment.refund', versions: ['1.0'], risk_points: 20, target: '/account', extract: { 'amount.USD': '/amount' }, bounded: ['/amount'] },
    'mailer.send': { kind: 'message.email.send', risk_points: 5, target: '/to', extract: { recipients: '/to' } },
  },
  rules: [{ id: 'inside', match: { kind: 'message.email.send' }, decision: 'allow_with_caps', caps: { allowed_recipients: ['*@acme.example'] } }],
});
const proposer = { tenant: 'acme', agent: 'outreach-bot' };
const derive = (change: Partial<ProposalWithJson> = {}) => deriveFacts(policy, proposalOf(change), proposer);
const judged = (change: Partial<ProposalWithJson>): Ruling => judge(policy, new Set(registeredKinds(policy)), derive(change));

describe('facts', () => {
  test('come from the tool table', () => {
    expect(derive()).toEqual({
      facts: factsOf({ action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1.0' }, risk_points: 20, amounts: [{ unit: 'USD_MICROCENTS', amount: '4200000000' }] }),
      target: 'A-7',
      narrowable: { amounts: { USD: '/amount' } },
    });
  });

  test('claims only raise risk', () => {
    const lower = derive({ risk_points: 1, estimates: [{ unit: 'USD_MICROCENTS', amount: '1' }] }).facts;
    expect(lower).toMatchObject({ risk_points: 20, amounts: [{ unit: 'USD_MICROCENTS', amount: '4200000000' }] });
    const higher = derive({ risk_points: 90, estimates: [{ unit: 'USD_MICROCENTS', amount: '5000000000' }, { unit: 'TOKENS', amount: '7' }] }).facts;
    expect(higher).toMatchObject({ risk_points: 90, amounts: [{ unit: 'TOKENS', amount: '7' }, { unit: 'USD_MICROCENTS', amount: '5000000000' }] });
  });

  test('a unit named twice adds up', () => {
    expect(derive({ estimates: [{ unit: 'TOKENS', amount: '7' }, { unit: 'TOKENS', amount: '8' }] }).facts.amounts).toContainEqual({ unit: 'TOKENS', amount: '15' });
  });

  test('an amount may be a JSON number', () => {
    expect(derive({ arguments: { account: 'A-7', amount: 42.5 } }).facts.amounts).toEqual([{ unit: 'USD_MICROCENTS', amount: '4250000000' }]);
  });
});

describe('what the tool table does not allow', () => {
  test.each<[string, Partial<ProposalWithJson>, string, string]>([
    ['another kind than the tool does', { action_kind: 'note.add' }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['no amount where it is declared', { arguments: { account: 'A-7' } }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['an amount of the wrong type', { arguments: { account: 'A-7', amount: ['42'] } }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['a negative amount', { arguments: { account: 'A-7', amount: '-42.00' } }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['more decimals than micro-cents', { arguments: { account: 'A-7', amount: '0.000000001' } }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['no target', { arguments: { amount: '1' } }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['another target than in the arguments', { target: 'A-8' }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['arguments that are no object', { arguments: 'A-7' }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['risk points among the estimates', { estimates: [{ unit: 'RISK_POINTS', amount: '1' }] }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['another version', { tool: { name: 'billing.refund', version: '2.0' } }, 'DENY', 'TOOL_NOT_ALLOWED'],
    ['an unknown tool for a kind that has one', { tool: { name: 'billing.refund2', version: '1.0' } }, 'DENY', 'TOOL_NOT_ALLOWED'],
    ['an inherited name as tool', { action_kind: 'note.add', tool: { name: 'constructor', version: '1.0' }, arguments: {} }, 'ALLOW', ''],
    ['a recipient outside the caps', { action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, arguments: { to: ['ann@acme.example', 'eve@evil.example'] } }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['two recipients in one text', { action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, arguments: { to: 'eve@evil.example, ann@acme.example' } }, 'QUARANTINE', 'QUARANTINED_OUT_OF_BOUNDS'],
    ['a recipient inside the caps', { action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, arguments: { to: 'ann@acme.example' } }, 'ALLOW_WITH_CAPS', ''],
  ])('%s: %3$s', (_, change, verdict, code) => {
    const ruling = judged(change);
    expect([ruling.verdict, ruling.code ?? '']).toEqual([verdict, code]);
  });

  test('a tool fault never loosens a deny', () => {
    const denying = policyFrom({ classes: { no: { kinds: ['payment.refund'], default: 'deny' } }, tools: { 'billing.refund': { kind: 'payment.refund', target: '/account' } } });
    expect(judge(denying, new Set(registeredKinds(denying)), deriveFacts(denying, proposalOf({ arguments: {} }), proposer))).toMatchObject({ verdict: 'DENY', code: 'POLICY_DENIED' });
  });
});
