import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Caps, Proposal, ReserveRequest } from '@exequatur/contracts';
import { ExequaturProblem, governed } from '@exequatur/sdk';
import type { ActionView, ExequaturClient, Proposed } from '@exequatur/sdk';
import { evidence } from './evidence.js';
import type { Instance } from './instance.js';
import { expectThat } from './narrator.js';
import type { Narrator, Shown } from './narrator.js';
import { MAIL_TOOL, REFUND_TOOL } from './setting.js';
import type { Setting } from './setting.js';

/** The customer-outreach story, step by step. Each step checks what it shows; nothing here is printed without having happened. */
export const tellStory = async (narrator: Narrator, setting: Setting, instance: Instance): Promise<void> => {
  const drafts = mkdtempSync(join(tmpdir(), 'exequatur-drafts-'));
  try {
    await policyAnswers(narrator, setting, drafts);
    await budgetSaysNo(narrator, setting, drafts);
    const sent = await approvedAndSent(narrator, setting);
    await attacks(narrator, setting);
    await narrowedRefund(narrator, setting);
    await evidence(narrator, setting, instance, sent);
  } finally {
    rmSync(drafts, { recursive: true, force: true });
  }
};

const mail = (setting: Setting, to: string, mode: 'managed' | 'self'): Proposal => ({
  scope_path: setting.scopePath,
  run_id: setting.runId,
  action_kind: 'message.email.send',
  tool: MAIL_TOOL,
  target: to,
  arguments: { to, subject: 'Your offer', text: 'Dear customer, here is the offer you asked for.' },
  environment: 'prod',
  reasoning: 'The customer asked for an offer by phone this morning.',
  business_impact: 'A first contact with a new customer.',
  evidence: [{ title: 'CRM entry', url: 'https://crm.example/contacts/4711' }],
  reversal: { reason: 'A sent mail cannot be taken back.' },
  execution_mode: mode,
});

/** What an agent sends to use a grant for exactly what was proposed. */
const useOf = (proposal: Proposal, grant: ActionView): ReserveRequest => ({
  ...(grant.grant === undefined ? {} : { grant: grant.grant }),
  execution_mode: proposal.execution_mode,
  scope_path: proposal.scope_path,
  run_id: proposal.run_id,
  action_kind: proposal.action_kind,
  tool: proposal.tool,
  ...(grant.target_hash === undefined ? {} : { target_hash: grant.target_hash }),
  arguments_hash: grant.granted_arguments_hash ?? '',
  ...(proposal.environment === undefined ? {} : { environment: proposal.environment }),
});

interface Card {
  readonly view_hash: string;
  readonly card: { readonly title: string };
}

/** The approval may take a moment to reach approvals' queue over the bus. */
const cardOf = async (setting: Setting, approvalId: string): Promise<{ card: Card; etag: string }> => {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { status, body, etag } = await setting.call<Card>('approvals', setting.approver, `GET /v1/approvals/${approvalId}`);
    if (status === 200 && etag !== undefined) return { card: body, etag };
    expectThat(performance.now() < deadline, `the card of ${approvalId} did not appear (last answer ${status})`);
    await delay(25);
  }
};

const approve = async (setting: Setting, approvalId: string, caps?: Caps): Promise<Card> => {
  const { card, etag } = await cardOf(setting, approvalId);
  const { status, body } = await setting.call('approvals', setting.approver, `POST /v1/approvals/${approvalId}/approve`, { view_hash: card.view_hash, rationale: 'Known customer, agreed wording', ...(caps === undefined ? {} : { caps }) }, etag);
  expectThat(status < 300, `approving answered ${status}: ${JSON.stringify(body)}`);
  return card;
};

const approved = async (setting: Setting, proposal: Proposal): Promise<{ proposed: Proposed; view: ActionView }> => {
  const proposed = await setting.agent.propose(proposal);
  expectThat(proposed.verdict === 'REQUIRE_APPROVAL' && proposed.approval_id !== undefined, `expected REQUIRE_APPROVAL, got ${proposed.verdict}`);
  await approve(setting, proposed.approval_id);
  const view = await reaching(setting.agent, proposed.action_id, ['granted']);
  return { proposed, view };
};

const reaching = async (agent: ExequaturClient, actionId: string, statuses: readonly string[]): Promise<ActionView> => {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const view = await agent.action(actionId);
    if (statuses.includes(view.status)) return view;
    expectThat(performance.now() < deadline, `the action stayed ${view.status}, expected ${statuses.join(' or ')}`);
    await delay(25);
  }
};

const refused = async (attempt: Promise<unknown>, code: string): Promise<Shown> => {
  try {
    await attempt;
  } catch (error) {
    expectThat(error instanceof ExequaturProblem, `expected a refusal, got ${String(error)}`);
    expectThat(error.code === code, `expected ${code}, got ${error.code}: ${error.detail}`);
    return { verdict: `refused ${error.status}`, code: error.code };
  }
  throw new Error(`expected ${code}, but it was allowed`);
};

const policyAnswers = async (narrator: Narrator, setting: Setting, drafts: string): Promise<void> => {
  narrator.chapter('Policy answers');
  const common = { client: setting.agent, scope_path: setting.scopePath, run_id: setting.runId };
  await narrator.step('Research: known, low risk', async () => {
    const research = governed(async (args: { query: string }) => `3 contacts for ${args.query}`, { ...common, tool: { name: 'search.web', version: '1.0' }, action_kind: 'research.search' });
    const found = await research({ query: 'logistics companies in Hamburg' });
    return { verdict: 'ALLOW', code: 'AUTO', notes: [found] };
  });
  await narrator.step('A draft: allowed, and logged for review', async () => {
    const file = join(drafts, 'offer.txt');
    const proposed: string[] = [];
    const draft = governed(
      async (args: { text: string }) => {
        writeFileSync(file, args.text);
        return file;
      },
      { ...common, tool: { name: 'drafts.write', version: '1.0' }, action_kind: 'draft.email' },
    );
    await draft({ text: 'Dear customer, here is the offer you asked for.' });
    expectThat(existsSync(file), 'the draft was not written');
    proposed.push(`the agent wrote ${readFileSync(file, 'utf8').length} characters`);
    return { verdict: 'ALLOW', code: 'LOG', notes: proposed };
  });
  await narrator.step('A kind nobody registered', async () => {
    const proposed = await setting.agent.propose({ ...mail(setting, 'customer@example.com', 'self'), action_kind: 'crm.teleport', tool: { name: 'crm.teleport', version: '1.0' } });
    expectThat(proposed.verdict === 'QUARANTINE', `expected QUARANTINE, got ${proposed.verdict}`);
    return { verdict: proposed.verdict, code: proposed.code };
  });
};

const budgetSaysNo = async (narrator: Narrator, setting: Setting, drafts: string): Promise<void> => {
  narrator.chapter('Approval is not permission to run');
  await narrator.step('Sending mail, approved, on a budget of 0 risk points', async () => {
    const proposal = mail(setting, 'customer@example.com', 'self');
    const { view } = await approved(setting, proposal);
    const shown = await refused(setting.agent.reserve(useOf(proposal, view)), 'BUDGET_EXCEEDED');
    expectThat(existsSync(join(drafts, 'offer.txt')), 'the draft is gone');
    expectThat(setting.smtp.messages.length === 0, 'mail was sent');
    return { ...shown, notes: ['nothing was sent; the draft stays for review'] };
  });
  await narrator.step('The operator gives the app 200 risk points', async () => {
    const { status, body } = await setting.call('reservations', setting.operator, `POST /v1/budgets/${setting.budgetId}/adjust`, { cap: '200', reason: 'Outreach campaign agreed with sales' });
    expectThat(status < 300, `adjusting answered ${status}: ${JSON.stringify(body)}`);
    return { verdict: `${status}`, notes: ['BudgetAdjusted, with actor and reason'] };
  });
};

const approvedAndSent = async (narrator: Narrator, setting: Setting): Promise<string> => {
  narrator.chapter('The approved path: Exequatur sends the mail itself');
  const proposal = mail(setting, 'customer@example.com', 'managed');
  let proposed: Proposed | undefined;
  await narrator.step('The agent proposes', async () => {
    proposed = await setting.agent.propose(proposal);
    expectThat(proposed.verdict === 'REQUIRE_APPROVAL', `expected REQUIRE_APPROVAL, got ${proposed.verdict}`);
    return { verdict: proposed.verdict, code: proposed.stop_reason, notes: [`rule ${proposed.rule_id}: ${proposed.reason}`] };
  });
  await narrator.step('A person reads the card and approves', async () => {
    expectThat(proposed?.approval_id !== undefined, 'there is no approval');
    const card = await approve(setting, proposed.approval_id);
    return { verdict: 'approved', notes: [`card: ${card.card.title}`, `seen: ${card.view_hash}`] };
  });
  await narrator.step('Reserved, sent, committed', async () => {
    expectThat(proposed !== undefined, 'there is no proposal');
    await reaching(setting.agent, proposed.action_id, ['executed']);
    const [message, ...more] = setting.smtp.messages;
    expectThat(message !== undefined && more.length === 0, `expected one mail, ${setting.smtp.messages.length} arrived`);
    expectThat(message.to.join() === 'customer@example.com' && message.subject === 'Your offer', 'another mail arrived');
    return { verdict: 'executed', notes: [`mail to ${message.to.join(', ')}: “${message.subject}”`] };
  });
  return proposed?.action_id ?? '';
};

const attacks = async (narrator: Narrator, setting: Setting): Promise<void> => {
  narrator.chapter('Attacks: one approval, used for something else');
  const proposal = mail(setting, 'second@example.com', 'self');
  const { view: first } = await approved(setting, proposal);
  await narrator.step('Used once, as approved', async () => {
    const reserved = await setting.agent.reserve(useOf(proposal, first));
    await setting.agent.start(reserved.reservation_id);
    await setting.agent.outcome(reserved.reservation_id, { status: 'SUCCEEDED' });
    return { verdict: 'Held → Committed', notes: [`execute within ${reserved.execute_within_ms} ms`] };
  });
  await narrator.step('The same grant used again', () => refused(setting.agent.reserve(useOf(proposal, first)), 'GRANT_EXHAUSTED'));
  const { proposed, view } = await approved(setting, proposal);
  const use = useOf(proposal, view);
  await narrator.step('Arguments changed after approval', () => refused(setting.agent.reserve({ ...use, arguments_hash: `sha256:${'0'.repeat(64)}` }), 'ARGUMENTS_MISMATCH'));
  await narrator.step('By another agent', () => refused(setting.otherAgent.reserve(use), 'AGENT_MISMATCH'));
  await narrator.step('From another run', () => refused(setting.agent.reserve({ ...use, run_id: 'another-run' }), 'RUN_MISMATCH'));
  await narrator.step('From another tenant', () => refused(setting.foreignAgent.reserve({ ...use, scope_path: setting.foreignScopePath }), 'TENANT_MISMATCH'));
  await narrator.step('After a person revoked it', async () => {
    const { status, body } = await setting.call('approvals', setting.approver, `POST /v1/approvals/${proposed.approval_id}/revoke`, { reason: 'Customer withdrew the request' }, (await cardOf(setting, proposed.approval_id ?? '')).etag);
    expectThat(status < 300, `revoking answered ${status}: ${JSON.stringify(body)}`);
    await effective(setting, view.grant_id ?? '');
    return refused(setting.agent.reserve(use), 'GRANT_REVOKED');
  });
};

/** A revocation is effective once reservations has closed the grant. */
const effective = async (setting: Setting, grantId: string): Promise<void> => {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const { body } = await setting.call<{ status?: string }>('reservations', setting.operator, `GET /v1/grants/${grantId}`);
    if (body.status === 'Revoked') return;
    expectThat(performance.now() < deadline, `the revocation did not become effective (${JSON.stringify(body)})`);
    await delay(25);
  }
};

const narrowedRefund = async (narrator: Narrator, setting: Setting): Promise<void> => {
  narrator.chapter('Yes, but less: a refund approved narrower than asked');
  await narrator.step('120.00 USD asked, 42.00 USD approved, and seen at the tool', async () => {
    const proposed = await setting.agent.propose({
      ...mail(setting, 'customer-77', 'managed'),
      action_kind: 'payment.refund',
      tool: REFUND_TOOL,
      target: 'customer-77',
      arguments: { account: 'customer-77', amount: '120.00', currency: 'USD', note: 'Late delivery' },
      reversal: { handle: 'billing.recharge' },
    });
    expectThat(proposed.verdict === 'REQUIRE_APPROVAL' && proposed.approval_id !== undefined, `expected REQUIRE_APPROVAL, got ${proposed.verdict}`);
    await approve(setting, proposed.approval_id, { max_amount: { USD_MICROCENTS: '4200000000' } });
    await reaching(setting.agent, proposed.action_id, ['executed']);
    const [request, ...more] = setting.tool.received;
    expectThat(request !== undefined && more.length === 0, `expected one call of the tool, ${setting.tool.received.length} arrived`);
    const bytes = request.body.toString('utf8');
    expectThat(bytes === '{"account":"customer-77","amount":"42.00","currency":"USD","note":"Late delivery"}', `the tool received ${bytes}`);
    return { verdict: 'executed', notes: [`the tool received ${bytes}`, `effect key ${String(request.headers['idempotency-key'])}`] };
  });
};
