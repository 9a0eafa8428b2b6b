import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { generateSigningKey, importSigningKey } from '@exequatur/audit-chain';
import { InMemoryEventStore } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { policyHash, registeredKinds } from '@exequatur/policy-domain';
import type { ProposalWithJson } from '@exequatur/policy-domain';
import { Signer } from '@exequatur/service-kit';
import fc from 'fast-check';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { actionStream, proposalWrite } from './action-events.js';
import { decideProposal } from './decide-proposal.js';
import { ProposeAction } from './propose-action.command.js';

const file = readPolicyFile(readFileSync(new URL('../../policies/outreach.yaml', import.meta.url), 'utf8'));
if (!file.ok) throw new Error('the example policy is faulty');
const active = { version: 1, hash: policyHash(file.policy), policy: file.policy, registered: new Set(registeredKinds(file.policy)) };
const agent = { type: 'agent', tenant: 'acme', id: 'bot', scopePrefix: 'tenant:acme', keyId: 'k', owner: 'oscar' } as const;
const key = generateSigningKey('policy');
const signer = new Signer('policy', key.privateJwk, { policy: [{ kid: key.kid, jwk: key.publicJwk }] });

const name = fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/);
const amount = fc.stringMatching(/^(0|[1-9]\d{0,29})$/);
/** Marked, so that it is recognised wherever it turns up; nothing of ours contains this sign. */
const MARK = '§';
const personal = (maxLength: number) => fc.string({ unit: 'grapheme', maxLength }).map((text) => MARK + text);
const anyArguments = fc.oneof(
  fc.jsonValue({ maxDepth: 4 }),
  fc.record({ account: fc.oneof(personal(1_050), fc.constant('A-7')), amount: fc.oneof(amount, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant('42.00'), fc.integer()), to: fc.oneof(fc.emailAddress(), fc.array(fc.emailAddress(), { maxLength: 120 })), channel: personal(20), members: fc.array(fc.emailAddress(), { maxLength: 3 }) }, { requiredKeys: [] }),
) as fc.Arbitrary<JsonValue>;
const proposal = fc.record(
  {
    scope_path: fc.constant('tenant:acme/workspace:sales'),
    run_id: name,
    thread_id: name,
    action_kind: fc.oneof(name, fc.constantFrom('payment.refund', 'message.email.send', 'message.internal.post', 'research.search', 'draft.email', 'credentials.export')),
    tool: fc.oneof(fc.record({ name, version: name }), fc.constantFrom({ name: 'billing.refund', version: '1.0' }, { name: 'mailer.send', version: '1.0' }, { name: 'chat.post', version: '1.0' })),
    target: personal(900),
    arguments: anyArguments,
    environment: name,
    risk_tags: fc.array(name, { maxLength: 50 }),
    risk_points: fc.nat(1_000_000),
    estimates: fc.array(fc.record({ unit: fc.stringMatching(/^[A-Z][A-Z0-9_]{0,31}$/), amount }), { maxLength: 20 }),
    business_impact: personal(200),
    evidence: fc.array(fc.record({ title: personal(100), url: fc.webUrl() }), { maxLength: 5 }),
    reversal: fc.record({ handle: personal(100), reason: personal(100) }, { requiredKeys: [] }),
    confidence: fc.constantFrom('0', '0.82', '1'),
    reasoning: personal(500),
    execution_mode: fc.constantFrom('managed', 'self'),
  },
  { requiredKeys: ['scope_path', 'run_id', 'action_kind', 'tool', 'arguments', 'execution_mode'], noNullPrototype: true },
) as fc.Arbitrary<ProposalWithJson>;
/** Chance alone hardly ever makes one that is allowed within caps, or one that people have to decide. */
const posted = proposal.map(({ target: _target, estimates: _estimates, ...rest }): ProposalWithJson => ({ ...rest, action_kind: 'message.internal.post', tool: { name: 'chat.post', version: '1.0' }, arguments: { channel: 'sales', members: ['ann@acme.example'] } }));
const mailed = proposal.map(({ target: _target, estimates: _estimates, ...rest }): ProposalWithJson => ({ ...rest, action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, arguments: { to: 'ann@customer.example' } }));

test('whatever a well-formed proposal says, it is decided, and its events are what contracts promise', async () => {
  const store = new InMemoryEventStore({ service: 'policy', signingKey: importSigningKey(key.privateJwk) });
  const verdicts = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(fc.oneof({ weight: 15, arbitrary: proposal }, { weight: 1, arbitrary: posted }, { weight: 1, arbitrary: mailed }), async (asked) => {
      const ids = { actionId: newId(), approvalId: newId(), nowMs: Date.now() };
      const decided = decideProposal(new ProposeAction(agent, asked, newId(), 'http'), ids, active);
      const write = proposalWrite(decided, Buffer.alloc(32), signer);
      const recorded = await store.transact({ streams: [actionStream('acme', ids.actionId)] }, (tx) => store.append(tx, [write]));
      const verdict = decided.events[1]?.type ?? '';
      const isDrawn = (verdict === 'ActionAllowed' || verdict === 'ActionCapped') && (decided.events[1]?.data as { sampled: boolean }).sampled;
      expect(decided.events.map(({ type }) => type)).toEqual(['ActionProposed', verdict, ...(isDrawn ? ['ReviewDrawn'] : [])]);
      expect(recorded).toHaveLength(decided.events.length);
      verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1);
      for (const { envelope } of recorded) expect(JSON.stringify(envelope.data)).not.toContain(MARK);
    }),
    { numRuns: 1_000 },
  );
  expect([...verdicts.keys()].sort()).toEqual(['ActionAllowed', 'ActionCapped', 'ActionDenied', 'ActionQuarantined', 'ApprovalRequired']);
}, 60_000);
