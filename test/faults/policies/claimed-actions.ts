import { randomUUID } from 'node:crypto';
import type { Installation } from '../kit/installation.js';
import { eventsNamed } from '../kit/ledger.js';
import { persistently, until } from '../kit/tenant.js';
import type { Tenant } from '../kit/tenant.js';
import type { Shown } from './doors.js';

/** What happens to actions after their verdict: people decide, the agent claims, operators stop it. */
export class ClaimedActions {
  constructor(private readonly here: Installation) {}

  /** A person has seen the card and refuses; resolves when policy knows. */
  async reject(tenant: Tenant, { action_id: actionId, ...asked }: Shown): Promise<void> {
    const path = `/v1/approvals/${String(asked['approval_id'])}`;
    const card = await until(() => tenant.get('approvals', path, tenant.approver), ({ status }) => status === 200, 'the card');
    const body = { view_hash: card.body['view_hash'], reason_code: 'wrong_target', reason: 'Not this one', instruction: 'reroute' };
    const { status, bytes } = await persistently(this.here.urls.approvals, { token: tenant.approver, path: `${path}/reject`, body, key: randomUUID(), ifMatch: card.etag });
    if (status !== 200) throw new Error(`rejecting answered ${status} ${bytes}`);
    await until(() => tenant.get('policy', `/v1/actions/${actionId}`, tenant.agent), (view) => view.body['status'] === 'rejected', 'the rejection');
  }

  /** Somebody of the tenant with this role. @returns their token */
  async personWith(tenant: Tenant, person: string, role: string): Promise<string> {
    const { status, bytes, body } = await persistently<{ token: string }>(this.here.urls.policy, { token: this.here.adminToken, path: '/v1/people', body: { tenant: tenant.name, person, subject: `local#${tenant.name}-${person}`, roles: [role], issue_token: true }, key: randomUUID() });
    if (status !== 201) throw new Error(`registering a person answered ${status} ${bytes}`);
    return body.token;
  }

  /** Approves as soon as this person may: asked again until then, each time with the card as it stands. */
  async approveOnceAllowed(tenant: Tenant, { approval_id: approvalId }: Shown, token: string): Promise<void> {
    const path = `/v1/approvals/${String(approvalId)}`;
    await until(
      async () => {
        const card = await tenant.get('approvals', path, token);
        const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': randomUUID(), 'if-match': card.etag };
        const response = await fetch(`${this.here.urls.approvals}${path}/approve`, { method: 'POST', headers, body: JSON.stringify({ view_hash: card.body['view_hash'] }) });
        return response.status;
      },
      (status) => status === 200,
      'a person who may approve',
    );
  }

  /** The agent claims the one use of an allowed action. @returns `held`, or the code of the refusal */
  async claim(tenant: Tenant, shown: Shown): Promise<string> {
    const { grant, scope_path, run_id, action_kind, tool, execution_mode, arguments_hash, target_hash, environment } = shown;
    const body = { grant, scope_path, run_id, action_kind, tool, execution_mode, arguments_hash, ...(target_hash === undefined ? {} : { target_hash }), ...(environment === undefined ? {} : { environment }) };
    const reply = await persistently(this.here.urls.reservations, { token: tenant.agent, path: '/v1/reservations', body, key: randomUUID() });
    return reply.status === 201 ? 'held' : String(reply.body['code'] ?? reply.bytes);
  }

  /** The agent reads on one of its run's actions why it has to stop. */
  async stoppedBy(tenant: Tenant, run: string, reason: string): Promise<void> {
    await until(() => tenant.get<{ items: readonly Shown[] }>('policy', `/v1/actions?run=${run}`, tenant.agent), ({ body }) => body.items.some(({ stop_reason }) => stop_reason === reason), `an action of ${run} stopped by ${reason}`);
  }

  /** @returns what lifts it */
  async freeze(tenant: Tenant, scope: string, value: string): Promise<() => Promise<void>> {
    const ask = async (path: string, body: object): Promise<string> => {
      const reply = await persistently(this.here.urls.reservations, { token: tenant.operator, path, body, key: randomUUID() });
      if (reply.status >= 300) throw new Error(`POST ${path} answered ${reply.status} ${reply.bytes}`);
      return String(reply.body['freeze_id']);
    };
    const id = await ask('/v1/freezes', { scope, value, reason: 'policies' });
    return async () => {
      await ask(`/v1/freezes/${id}/lift`, { reason: 'policies' });
    };
  }

  async circuitOpen(tenant: Tenant): Promise<void> {
    await until(() => eventsNamed(this.here.rows, tenant.name, 'CircuitOpened'), (found) => found.length > 0, 'an open circuit');
  }
}
