import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApprovalAnswered, ApprovalExpired, ApprovalGranted, ApprovalRejected, ExecutionStarted, ExecutionSucceeded, ReservationHeld, ReservationRefused } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { eventually, mailTo, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';

describe('an action after its proposal', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  let agent: string;
  let other: string;
  let stranger: string;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    ({ agent } = await bed.tenant('acme'));
    ({ agent: stranger } = await bed.tenant('globex'));
    await bed.post('/v1/agents', { tenant: 'acme', agent: 'another', display_name: 'Another', scope_prefix: 'tenant:acme' }, bed.root);
    other = (await bed.post<{ key: string }>('/v1/agents/another/keys', { tenant: 'acme' }, bed.root)).body.key;
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  interface Asked {
    action_id: string;
    approval_id: string;
    arguments_hash: string;
  }
  /** A run of its own each time: what is rejected in one is not asked again there. */
  const ask = async (): Promise<Asked> => (await bed.post<Asked>('/v1/actions', mailTo('acme', 'ann@customer.example', { run_id: newId() }), agent)).body;
  const show = (id: string, who = agent): Promise<Reply> => bed.get(`/v1/actions/${id}`, who);
  const hash = `sha256:${'a'.repeat(64)}`;
  const stream = (aggregate: string, id: string) => ({ tenant: 'acme', aggregate, id });
  const sealedFor = async (actionId: string, content: object) => {
    const key = await bed.service.app.get<KeyStore>(KEY_STORE).actionKey('acme', actionId);
    const id = newId();
    if (key === undefined) throw new Error('no key');
    return { id, sealed: seal(key, actionId, id, content), correlationId: actionId };
  };
  const grant = async ({ action_id, approval_id, arguments_hash }: Asked): Promise<void> =>
    bed.publishAs('approvals', stream('approval', approval_id), {
      definition: ApprovalGranted,
      data: { approval_id, action_id, grant_id: approval_id, grant: 'a.b.c', approver_ids: ['alice'], vote_event_ids: [newId()], granted_arguments_hash: hash, arguments_hash, narrowed: ['/amount'], view_hash: hash, expires_at: '2030-01-01T00:00:00Z' },
      ...(await sealedFor(action_id, { salt: 'AAAAAAAAAAAAAAAAAAAAAA', arguments: '{"to":"ann@customer.example"}' })),
    });

  test('while people decide: its agent sees salt and target, lists do not', async () => {
    const { action_id } = await ask();
    expect((await show(action_id)).body).toMatchObject({ action_id, status: 'awaiting_approval', verdict: 'REQUIRE_APPROVAL', code: 'APPROVAL_REQUIRED', target: 'ann@customer.example', salt: expect.any(String), tool: { name: 'mailer.send', version: '1.0' } });
    const list = await bed.get(`/v1/actions?limit=1`, agent);
    expect(list.text).not.toContain('ann@customer.example');
    expect(list.body).toMatchObject({ items: [{ action_id, status: 'awaiting_approval' }] });
  });

  test('granted: the agent gets the grant and the granted arguments; what held it up is gone', async () => {
    const asked = await ask();
    await grant(asked);
    const { body } = await eventually(() => show(asked.action_id), ({ body: { status } }) => status === 'granted');
    expect(body).toMatchObject({ grant: 'a.b.c', grant_id: asked.approval_id, granted_arguments: { to: 'ann@customer.example' }, granted_arguments_hash: hash, narrowed: ['/amount'] });
    expect(body).not.toHaveProperty('stop_reason');
    expect(body).not.toHaveProperty('code');
  });

  test('rejected: the agent gets the reviewer’s words, which stand nowhere in clear', async () => {
    const { action_id, approval_id } = await ask();
    const data = { approval_id, action_id, person: 'alice', reason_code: 'wrong_recipient', instruction: 'reroute' as const, view_hash: hash };
    await bed.publishAs('approvals', stream('approval', approval_id), { definition: ApprovalRejected, data, ...(await sealedFor(action_id, { reason: 'Ann left the company' })) });
    const { body } = await eventually(() => show(action_id), ({ body: { status } }) => status === 'rejected');
    expect(body).toMatchObject({ stop_reason: 'approval_rejected', instruction: 'reroute', rejection: { reason_code: 'wrong_recipient', reason: 'Ann left the company' } });
    const { rows } = await bed.database.query<{ document: string }>('SELECT document::text FROM action_view WHERE action_id = $1', [action_id]);
    expect(rows[0]?.document).not.toContain('Ann left');
  });

  test('answered: the agent gets the response in place of the tool', async () => {
    const { action_id, approval_id } = await ask();
    await bed.publishAs('approvals', stream('approval', approval_id), { definition: ApprovalAnswered, data: { approval_id, action_id, person: 'alice', view_hash: hash }, ...(await sealedFor(action_id, { response: 'Already sent yesterday' })) });
    expect((await eventually(() => show(action_id), ({ body: { status } }) => status === 'answered')).body).toMatchObject({ response: 'Already sent yesterday', answered_by: 'alice' });
  });

  test('wait answers as soon as it is decided, and with the current status when time is up', async () => {
    const asked = await ask();
    const started = Date.now();
    expect((await bed.get(`/v1/actions/${asked.action_id}/wait?timeout=300ms`, agent)).body).toMatchObject({ status: 'awaiting_approval' });
    expect(Date.now() - started).toBeGreaterThanOrEqual(290);
    const asking = Date.now();
    const waiting = bed.get(`/v1/actions/${asked.action_id}/wait?timeout=60s`, agent);
    await grant(asked);
    expect(await waiting).toMatchObject({ status: 200, body: { status: 'granted' } });
    // Because it was decided, not because its time was up.
    expect(Date.now() - asking).toBeLessThan(60_000);
    expect(await bed.get(`/v1/actions/${asked.action_id}/wait?while=hoping`, agent)).toMatchObject({ status: 422 });
  });

  test('invariant 22: whatever order reservations and executions tell it in, it ends executed', async () => {
    const asked = await ask();
    await grant(asked);
    const { action_id, approval_id } = asked;
    const [execution_id, reservation_id] = [newId(), newId()];
    const execution = { execution_id, action_id, grant_id: approval_id, use_no: 1, reservation_id };
    await bed.publishAs('executor', stream('execution', execution_id), { definition: ExecutionStarted, data: { ...execution, execute_by: '2030-01-01T00:00:00Z' }, correlationId: action_id });
    await bed.publishAs('executor', stream('execution', execution_id), { definition: ExecutionSucceeded, data: { ...execution, provider_request_id: 'smtp-1', actual: [], executed_arguments_hash: hash }, ...(await sealedFor(action_id, { result: '250 OK' })) });
    await eventually(() => show(action_id), ({ body: { status } }) => status === 'executed');
    const held = { reservation_id, purpose: 'execution' as const, grant_id: approval_id, use_no: 1, action_id, execution_id, attempt: 1, agent: 'outreach-agent', scope_path: 'tenant:acme', run_id: 'run-1', action_kind: 'message.email.send', execution_mode: 'managed' as const, tool: { name: 'mailer.send', version: '1.0' }, granted_arguments_hash: hash, holds: [], caps: {}, execute_by: '2030-01-01T00:00:00Z', expires_at: '2030-01-01T00:00:00Z', policy_version: 1, policy_hash: hash, policy_result: 'same' as const, fence_epoch: 1 };
    await bed.publishAs('reservations', stream('reservation', reservation_id), { definition: ReservationHeld, data: held, correlationId: action_id });
    const next = await ask();
    await grant(next);
    await bed.publishAs('reservations', stream('reservation', newId()), { definition: ReservationRefused, data: { reservation_id: newId(), action_id: next.action_id, agent: 'outreach-agent', code: 'BUDGET_EXCEEDED', after_approval: false, attempt: 1 }, correlationId: next.action_id });
    expect((await eventually(() => show(next.action_id), ({ body: { code } }) => code === 'BUDGET_EXCEEDED')).body).toMatchObject({ stop_reason: 'budget_exceeded' });
    expect((await show(action_id)).body).toMatchObject({ status: 'executed', provider_request_id: 'smtp-1', result: '250 OK', reservation_id });
  });

  describe('withdrawing', () => {
    const withdraw = (id: string, who = agent, headers = {}): Promise<Reply> => bed.post(`/v1/actions/${id}/withdraw`, { reason: 'not needed' }, who, headers);
    const withdrawals = async (id: string): Promise<number> => (await bed.database.query("SELECT FROM event WHERE subject = $1 AND type LIKE '%ActionWithdrawn%'", [id])).rows.length;

    test('while people decide, once, however often', async () => {
      const { action_id } = await ask();
      expect(await withdraw(action_id)).toMatchObject({ status: 200, body: { status: 'withdrawn', stop_reason: 'cancelled' } });
      expect(await withdraw(action_id)).toMatchObject({ status: 200, body: { status: 'withdrawn' } });
      expect(await withdrawals(action_id)).toBe(1);
    });

    test('an allowance, and a grant', async () => {
      const allowed = (await bed.post<Asked>('/v1/actions', proposalOf('acme'), agent)).body;
      expect(await withdraw(allowed.action_id)).toMatchObject({ body: { status: 'withdrawn' } });
      const asked = await ask();
      await grant(asked);
      await eventually(() => show(asked.action_id), ({ body: { status } }) => status === 'granted');
      expect(await withdraw(asked.action_id)).toMatchObject({ body: { status: 'withdrawn' } });
    });

    test('not what is over', async () => {
      const { action_id, approval_id } = await ask();
      await bed.publishAs('approvals', stream('approval', approval_id), { definition: ApprovalExpired, data: { approval_id, action_id, on_timeout: 'deny', expires_at: '2026-01-01T00:00:00Z' }, correlationId: action_id });
      await eventually(() => show(action_id), ({ body: { status } }) => status === 'expired');
      expect(await withdraw(action_id)).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
      expect(await withdrawals(action_id)).toBe(0);
    });

    test('invariant 18: not what is another agent’s or tenant’s', async () => {
      const { action_id } = await ask();
      expect(await withdraw(action_id, other)).toMatchObject({ status: 404 });
      expect(await withdraw(action_id, stranger)).toMatchObject({ status: 404 });
      expect(await withdrawals(action_id)).toBe(0);
    });
  });

  test('invariant 18: another agent and another tenant read as if it were not there', async () => {
    const { action_id } = await ask();
    for (const who of [other, stranger]) {
      for (const path of ['', '/verdicts', '/wait?timeout=1s']) expect(await bed.get(`/v1/actions/${action_id}${path}`, who)).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
      expect((await bed.get('/v1/actions', who)).text).not.toContain(action_id);
      expect((await bed.get('/v1/actions?agent=outreach-agent', who)).text).not.toContain(action_id);
    }
    expect(await bed.get(`/v1/actions/${action_id}?tenant=acme`, stranger)).toMatchObject({ status: 403 });
  });

  test('lists page and filter', async () => {
    const run = `run-${newId()}`;
    const ids: string[] = [];
    for (let count = 0; count < 5; count += 1) ids.unshift((await bed.post<Asked>('/v1/actions', proposalOf('acme', { run_id: run }), agent)).body.action_id);
    type Page = { items: { action_id: string }[]; next_cursor: string | null };
    const first = (await bed.get<Page>(`/v1/actions?run=${run}&limit=3`, agent)).body;
    const second = (await bed.get<Page>(`/v1/actions?run=${run}&limit=3&cursor=${first.next_cursor}`, agent)).body;
    expect([...first.items, ...second.items].map(({ action_id }) => action_id)).toEqual(ids);
    expect(second.next_cursor).toBeNull();
    expect((await bed.get<Page>(`/v1/actions?run=${run}&status=denied`, agent)).body.items).toEqual([]);
  });

  test('the verdict with its rule and facts', async () => {
    const { action_id } = await ask();
    expect((await bed.get(`/v1/actions/${action_id}/verdicts`, agent)).body).toMatchObject({ items: [{ verdict: 'REQUIRE_APPROVAL', rule_id: 'external-email', policy_version: 1, facts: { risk_points: 20 } }] });
  });
});
