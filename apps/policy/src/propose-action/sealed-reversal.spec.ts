import { expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { policyHash, registeredKinds } from '@exequatur/policy-domain';
import type { ProposalWithJson } from '@exequatur/policy-domain';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { decideProposal } from './decide-proposal.js';
import { ProposeAction } from './propose-action.command.js';

const file = readPolicyFile(`version: 1
classes: { money: { kinds: [payment.refund], default: require_approval } }
tools:
  billing.refund: { kind: payment.refund, reversal: "credit-note:{/account}/{/id}" }
`);
if (!file.ok) throw new Error(JSON.stringify(file.findings));
const active = { version: 1, hash: policyHash(file.policy), policy: file.policy, registered: new Set(registeredKinds(file.policy)) };
const agent = { type: 'agent', tenant: 'acme', id: 'bot', scopePrefix: 'tenant:acme', keyId: 'k' } as const;
const decided = (change: Partial<ProposalWithJson>) =>
  decideProposal(new ProposeAction(agent, { scope_path: 'tenant:acme', run_id: 'r', action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1' }, arguments: { account: 'A-7', id: 12 }, execution_mode: 'managed', ...change }, 'key', 'http'), { actionId: newId(), approvalId: newId(), nowMs: 0 }, active);

test('the handle that a tool’s template gives is sealed for people to see, and stands in no event', () => {
  const { sealed, events } = decided({ reversal: { handle: 'of the agent', reason: 'it can be credited' } });
  expect(sealed.reversal).toEqual({ handle: 'credit-note:A-7/12', reason: 'it can be credited' });
  expect(decided({}).sealed.reversal).toEqual({ handle: 'credit-note:A-7/12' });
  expect(JSON.stringify(events)).not.toContain('credit-note');
  expect(events.map(({ data }) => ('facts' in data ? data.facts.has_reversal : undefined))[0]).toBe(true);
});

test('where the template finds nothing, what the agent says is shown and counts for nothing', () => {
  const { sealed, events } = decided({ arguments: { account: 'A-7' }, reversal: { handle: 'of the agent' } });
  expect(sealed.reversal).toEqual({ handle: 'of the agent' });
  expect(events.map(({ data }) => ('facts' in data ? data.facts.has_reversal : undefined))[0]).toBe(false);
});
