import type { SealedProposal } from '@exequatur/contracts';
import { canonicalText, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import type { ApprovalEvent, OpenedContent, VoteCommand, Voter } from './approval.js';
import { EMPTY_CONTEXT } from './card-context.js';
import { openedData } from './request-facts.js';
import type { RequestFacts } from './request-facts.js';
import { RENDERER } from './card.js';
import { cardBytes, renderCard, viewHash } from './render-card.js';

/** A refund of 100.00 USD by an agent that olga owns, as the specs of this folder use it. */
export const NOW = Date.parse('2026-03-01T10:00:00.000Z');
export const SALT = Buffer.alloc(16, 7);
export const VOTE_ID = '01890000-0000-7000-8000-00000000000a';
export const OTHER_VOTE_ID = '01890000-0000-7000-8000-00000000000b';
export const REFUND: JsonValue = { account: 'acct_42', amount: '100.00', note: 'broken on arrival' };

export const proposalOf = (args: JsonValue, more: Partial<SealedProposal> = {}): SealedProposal => ({
  salt: SALT.toString('base64url'),
  arguments: canonicalText(args),
  target: 'acct_42',
  reasoning: 'The customer sent a photograph of the broken part.',
  ...more,
});

export const requestFor = (args: JsonValue = REFUND, more: Partial<RequestFacts> = {}): RequestFacts => ({
  action_id: '01890000-0000-7000-8000-000000000001',
  approval_id: '01890000-0000-7000-8000-000000000002',
  policy_hash: `sha256:${'a'.repeat(64)}`,
  policy_version: 3,
  rule_id: 'refund-large',
  reason: 'Refunds above 50 USD need a person',
  action_class: 'financial',
  facts: {
    tenant: 'acme',
    scope_path: 'tenant:acme/workspace:support',
    agent: 'support-bot',
    run_id: 'run-1',
    action_kind: 'payment.refund',
    tool: { name: 'billing.refund', version: '1' },
    environment: 'prod',
    risk_tags: ['payment'],
    risk_points: 20,
    amounts: [{ unit: 'USD_MICROCENTS', amount: '10000000000' }],
    has_evidence: false,
    has_reversal: false,
    execution_mode: 'managed',
  },
  agent_owner: 'olga',
  arguments_hash: saltedHash(SALT, Buffer.from(canonicalText(args), 'utf8')),
  narrowable: { amounts: { USD: '/amount' } },
  demand: { stages: [{ roles: ['finance'], quorum: 1 }], distinct: true, ttl_ms: 14_400_000, on_timeout: 'deny' },
  on_silence: 'unknown',
  expires_at: '2026-03-01T14:00:00.000Z',
  ...more,
});

export const CONTENT: OpenedContent = { salt: SALT, proposal: proposalOf(REFUND), context: EMPTY_CONTEXT };

export const opened = (request: RequestFacts = requestFor(), proposal: SealedProposal = proposalOf(REFUND)): Extract<ApprovalEvent, { type: 'ApprovalOpened' }> => {
  const card = renderCard(request, proposal);
  return {
    type: 'ApprovalOpened',
    data: openedData(request, { view_hash: viewHash(SALT, card), renderer: RENDERER }),
    sealed: { salt: proposal.salt, card: Buffer.from(cardBytes(card)).toString('utf8'), proposal },
  };
};

export const person = (id: string, ...roles: string[]): Voter => ({ type: 'person', id, roles });
export const FIONA = person('fiona', 'approver', 'finance');

type Approve = Extract<VoteCommand['data'], { vote: 'approve' }>;

export const approveBy = (voter: Voter, more: Partial<Approve> = {}, at: { now?: number; id?: string } = {}): VoteCommand => ({
  type: 'Vote',
  metadata: { now: at.now ?? NOW, voteEventId: at.id ?? VOTE_ID },
  data: { vote: 'approve', voter, viewHash: opened().data.view_hash, content: CONTENT, ...more },
});

export const rejectBy = (voter: Voter, reason = 'not broken, says the photograph', viewHash = opened().data.view_hash): VoteCommand => ({
  type: 'Vote',
  metadata: { now: NOW, voteEventId: VOTE_ID },
  data: { vote: 'reject', voter, viewHash, reasonCode: 'wrong_facts', reason, instruction: 'abort' },
});

export const respondBy = (voter: Voter, response = 'Offer a replacement instead.'): VoteCommand => ({
  type: 'Vote',
  metadata: { now: NOW, voteEventId: VOTE_ID },
  data: { vote: 'respond', voter, viewHash: opened().data.view_hash, response },
});
