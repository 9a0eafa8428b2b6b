import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { askingAt, until } from '../asking.js';
import type { Ask } from '../asking.js';
import type { RunningStandalone } from '../programs.js';

/** One tenant with everything an endpoint can be asked about. */
export interface Tenant {
  readonly tenant: string;
  readonly agent: string;
  readonly otherAgent: string;
  /** holds every role */
  readonly person: string;
  readonly roleless: string;
  readonly revokedKey: string;
  readonly scopePath: string;
  readonly action: string;
  /** one that the executor runs */
  readonly managedAction: string;
  readonly approval: string;
  readonly viewHash: string;
  readonly etag: string;
  /** an allowance's grant, unused */
  readonly grant: { readonly id: string; readonly token: string; readonly use: Readonly<Record<string, unknown>> };
  readonly reservation: string;
  /** a live reservation of the Cycles surface */
  readonly budgetHold: string;
  readonly budget: string;
  readonly freeze: string;
  readonly execution: string;
  /** a policy that is not published */
  readonly draft: string;
  /** the action of a review after the fact, which nobody has reviewed */
  readonly review: string;
}

export interface World {
  readonly ask: Ask;
  readonly root: string;
  readonly acme: Tenant;
  readonly globex: Tenant;
}

const ROLES = ['admin', 'policy-admin', 'operator', 'approver', 'finance', 'auditor'];
/** In everything of globex that is text; must never be in an answer to acme. */
export const FOREIGN_CANARY = 'canary-of-globex';

/** Draws every read-only action for review, so that there is a review to ask about. */
const drawingAll = (policySource: string): string => policySource.replace(/(\n {2}read_only:\n)/, '$1    sample: 1\n');

const tenantOf = async (ask: Ask, root: string, policySource: string, tenant: string, name: (what: string) => string): Promise<Tenant> => {
  const made = async (credential: string, path: `/${string}`, body: unknown, headers?: Record<string, string>): Promise<Record<string, unknown>> => {
    const answer = await ask(credential, `POST ${path}`, body, headers);
    if (answer.status >= 300) throw new Error(`making ${tenant}: POST ${path} answered ${answer.status}: ${answer.bytes}`);
    return answer.body;
  };
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const note = tenant === 'globex' ? FOREIGN_CANARY : 'of acme';
  const agentOf = async (agent: string): Promise<string> => {
    await made(root, '/v1/agents', { tenant, agent, display_name: note, scope_prefix: `tenant:${tenant}` });
    return text((await made(root, `/v1/agents/${agent}/keys`, { tenant }))['key']);
  };
  const personOf = async (person: string, roles: readonly string[]): Promise<string> => text((await made(root, '/v1/people', { tenant, person, subject: `local#${tenant}-${person}`, roles, issue_token: true }))['token']);
  const person = await personOf(name('person'), ROLES);
  const agent = await agentOf(name('agent'));
  const revoked = await made(root, `/v1/agents/${name('agent')}/keys`, { tenant, key_id: name('revoked') });
  await made(root, `/v1/agents/${name('agent')}/keys/${name('revoked')}/revoke`, { tenant });
  const scopePath = `tenant:${tenant}/workspace:sales/app:outreach`;
  const { policy_hash } = await made(root, '/v1/policies', { tenant, source: drawingAll(policySource), reason: note });
  // An action is allowed only by a policy in force, which reservations and executor learn of by events.
  await until(() => ask(person, 'GET /v1/policies/in-force'), ({ status, body }) => status === 200 && body['policy_hash'] === policy_hash, `the policy of ${tenant} in force`);
  await made(root, '/v1/policies/shadow', { tenant, source: policySource, reason: note });
  const proposal = (kind: string, toolName: string, more: object): object => ({ scope_path: scopePath, run_id: `run-${note.replaceAll(' ', '-')}`, action_kind: kind, tool: { name: toolName, version: '1.0' }, target: 'customer@example.com', environment: 'prod', reasoning: note, execution_mode: 'self', ...more });
  const mail = { to: 'customer@example.com', subject: note, text: note };
  const proposed = await made(agent, '/v1/actions', proposal('message.email.send', 'mailer.send', { arguments: mail }));
  const approval = text(proposed['approval_id']);
  const card = await until(() => ask(person, `GET /v1/approvals/${approval}`), ({ status }) => status === 200, `the card of ${tenant}`);
  const research = async (mode: 'self' | 'managed'): Promise<Record<string, unknown>> => made(agent, '/v1/actions', proposal('research.search', 'search.web', { target: undefined, arguments: { query: note }, execution_mode: mode }));
  const useOf = (allowed: Record<string, unknown>): Record<string, unknown> => ({ grant: allowed['grant'], execution_mode: 'self', scope_path: scopePath, run_id: `run-${note.replaceAll(' ', '-')}`, action_kind: 'research.search', tool: { name: 'search.web', version: '1.0' }, arguments_hash: allowed['arguments_hash'], environment: 'prod' });
  const held = await until(async () => ask(agent, 'POST /v1/reservations', useOf(await research('self'))), ({ status }) => status === 201, `a reservation of ${tenant}`);
  const free = await research('self');
  const managed = await research('managed');
  const executions = await until(() => ask<{ items: { execution_id: string }[] }>(person, `GET /v1/executions?action_id=${text(managed['action_id'])}`), ({ body }) => (body.items ?? []).length > 0, `an execution of ${tenant}`);
  const review = text(free['action_id']);
  await until(() => ask(person, `GET /v1/approvals/reviews/${review}`), ({ status }) => status === 200, `a review of ${tenant}`);
  // Of what nobody here does: it is never told anything.
  await made(person, '/v1/approvals/webhooks', { name: name('webhook'), url: 'https://hooks.invalid/', events: ['approval.emergency'] });
  return {
    tenant, agent, person, scopePath, review,
    otherAgent: await agentOf(name('other-agent')),
    roleless: await personOf(name('roleless'), []),
    revokedKey: text(revoked['key']),
    action: text(proposed['action_id']),
    managedAction: text(managed['action_id']),
    approval,
    viewHash: text(card.body['view_hash']),
    etag: card.headers.get('etag') ?? '',
    grant: { id: text(free['grant_id']), token: text(free['grant']), use: useOf(free) },
    reservation: text(held.body['reservation_id']),
    budgetHold: text((await made(agent, '/cycles/v1/reservations', { idempotency_key: 'hostile', subject: { tenant, workspace: 'sales' }, action: { kind: 'llm.completion', name: note }, estimate: { unit: 'RISK_POINTS', amount: 1 }, ttl_ms: 3_600_000, metadata: { note } }))['reservation_id']),
    budget: text((await made(root, '/v1/budgets', { tenant, scope_path: `${scopePath}/feature:own`, unit: 'TOKENS', cap: '5' }))['budget_id']),
    freeze: text((await made(root, '/v1/freezes', { tenant, scope: 'agent', value: 'nobody', reason: note }))['freeze_id']),
    execution: executions.body.items[0]?.execution_id ?? '',
    draft: text((await made(person, '/v1/policies/drafts', { source: policySource, reason: note }))['draft_id']),
  };
};

/** Two tenants alike: acme's people and agents attack, globex has what they must not reach. */
export const worldOf = async (standalone: RunningStandalone, policySource: string): Promise<World> => {
  const ask = askingAt(standalone.origin);
  const root = standalone.adminToken;
  const first = await ask(root, 'POST /v1/tenants', { tenant: 'globex', display_name: FOREIGN_CANARY });
  if (first.status !== 201) throw new Error(`making globex: ${first.bytes}`);
  for (const unit of ['RISK_POINTS', 'USD_MICROCENTS']) await ask(root, 'POST /v1/budgets', { tenant: 'globex', scope_path: 'tenant:globex', unit, cap: '1000000' });
  return { ask, root, acme: await tenantOf(ask, root, policySource, 'acme', (what) => `own-${what}`), globex: await tenantOf(ask, root, policySource, 'globex', (what) => `globex-${what}`) };
};

/** The private signing key of a service: what somebody who had stolen it could sign. */
export const signingKeyOf = (standalone: RunningStandalone, service: string): string => readFileSync(join(standalone.dataDir, 'secrets', `${service}.signing-key.json`), 'utf8');

/** An endpoint's path with one tenant's ids in it. */
export const pathFor = (path: string, of: Tenant, name: (what: string) => string): string => {
  const ids: readonly (readonly [prefix: string, id: string])[] = [
    ['/v1/actions/{action_id}/executions', of.managedAction], ['/v1/actions/', of.action], ['/v1/receipts/', of.action], ['/v1/approvals/reviews/', of.review], ['/v1/approvals/webhooks/', name('webhook')], ['/v1/approvals/mail-addresses/', name('person')], ['/v1/approvals/', of.approval], ['/v1/reservations/', of.reservation], ['/cycles/v1/reservations/', of.budgetHold], ['/v1/budgets/', of.budget],
    ['/v1/freezes/', of.freeze], ['/v1/executions/', of.execution], ['/v1/grants/', of.grant.id], ['/v1/agents/', name('agent')], ['/v1/people/', name('person')], ['/v1/policies/drafts/', of.draft], ['/v1/policies/', '1'],
  ];
  const id = ids.find(([prefix]) => path.startsWith(prefix))?.[1] ?? '00000000-0000-7000-8000-000000000000';
  return path.replace('{keyId}', name('revoked')).replaceAll(/\{[^}]+\}/g, id);
};
