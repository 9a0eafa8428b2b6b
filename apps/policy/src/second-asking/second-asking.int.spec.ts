import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ApprovalExpired, ApprovalRejected } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { eventually, examplePolicy, mailTo, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed } from '../spec/policy-bed.js';

interface Proposed {
  readonly action_id: string;
  readonly approval_id: string;
  readonly verdict: string;
}

describe('P11: what a person refused is not asked again', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  let agent: string;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    ({ agent } = await bed.tenant('acme', examplePolicy.replace('  - id: refund\n', '  - id: refund\n    rejection_holds: agent\n')));
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  const propose = async (proposal: object): Promise<Proposed> => (await bed.post<Proposed>('/v1/actions', proposal, agent)).body;
  const hash = `sha256:${'0'.repeat(64)}`;
  const rejected = async ({ action_id, approval_id }: Proposed): Promise<void> => {
    const key = await bed.service.app.get<KeyStore>(KEY_STORE).actionKey('acme', action_id);
    if (key === undefined) throw new Error('no key');
    const id = newId();
    const data = { approval_id, action_id, person: 'ann', reason_code: 'wrong_recipient', instruction: 'reroute', view_hash: hash };
    await bed.publishAs('approvals', { tenant: 'acme', aggregate: 'approval', id: approval_id }, { definition: ApprovalRejected, id, data, correlationId: action_id, sealed: seal(key, action_id, id, { reason: 'Ann left the company' }) });
    await eventually(async () => (await bed.get<{ status: string }>(`/v1/actions/${action_id}`, agent)).body.status, (status) => status === 'rejected');
  };
  const refund = (run_id: string, account: string) => ({ ...mailTo('acme', 'x'), run_id, action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1.0' }, arguments: { account, amount: '42.00' } });

  test('the same in the same run is denied with the earlier decision; another run, recipient or agent asks', async () => {
    const mail = mailTo('acme', 'ann@customer.example');
    const first = await propose(mail);
    expect(first.verdict).toBe('REQUIRE_APPROVAL');
    // While people have not decided, the same may wait twice: nothing was refused.
    expect((await propose(mail)).verdict).toBe('REQUIRE_APPROVAL');
    await rejected(first);
    const again = await propose(mail);
    expect(again).toMatchObject({ verdict: 'DENY', status: 'denied', code: 'PREVIOUSLY_REJECTED', stop_reason: 'approval_rejected', reason: expect.stringContaining(first.action_id) });
    expect(again.approval_id).toBeUndefined();
    expect((await bed.get(`/v1/actions/${again.action_id}`, agent)).body).toMatchObject({ status: 'denied', code: 'PREVIOUSLY_REJECTED', stop_reason: 'approval_rejected' });
    // The order of keys, a claimed tag or another reason make no other action.
    expect(await propose({ ...mail, arguments: { text: 'We met in Vienna', subject: 'Hello', to: 'ann@customer.example' }, risk_tags: ['urgent'], reasoning: 'really' })).toMatchObject({ code: 'PREVIOUSLY_REJECTED' });
    expect((await propose({ ...mail, run_id: 'run-2' })).verdict).toBe('REQUIRE_APPROVAL');
    expect((await propose(mailTo('acme', 'bob@customer.example'))).verdict).toBe('REQUIRE_APPROVAL');
  });

  test('where the rule says so it holds in all runs of the agent', async () => {
    const first = await propose(refund('run-7', 'A-7'));
    await rejected(first);
    expect(await propose(refund('run-8', 'A-7'))).toMatchObject({ verdict: 'DENY', code: 'PREVIOUSLY_REJECTED' });
    expect((await propose(refund('run-8', 'A-8'))).verdict).toBe('REQUIRE_APPROVAL');
    await bed.database.query("UPDATE asked_proposal SET rejected_at = rejected_at - interval '25 hours' WHERE action_id = $1", [first.action_id]);
    expect((await propose(refund('run-8', 'A-7'))).verdict).toBe('REQUIRE_APPROVAL');
    expect(await propose(refund('run-7', 'A-7'))).toMatchObject({ code: 'PREVIOUSLY_REJECTED' });
  });

  test('silence is no refusal: after an expiry the same may be asked again', async () => {
    const mail = mailTo('acme', 'carl@customer.example');
    const { action_id, approval_id } = await propose(mail);
    await bed.publishAs('approvals', { tenant: 'acme', aggregate: 'approval', id: approval_id }, { definition: ApprovalExpired, data: { approval_id, action_id, on_timeout: 'deny', expires_at: '2026-11-20T12:00:00.000Z' } });
    await eventually(async () => (await bed.get<{ status: string }>(`/v1/actions/${action_id}`, agent)).body.status, (status) => status === 'expired');
    expect((await propose(mail)).verdict).toBe('REQUIRE_APPROVAL');
  });

  test('a lost answer to the first is still answered alike after the rejection', async () => {
    const key = { 'idempotency-key': newId() };
    const mail = mailTo('acme', 'dora@customer.example');
    const first = await bed.post<Proposed>('/v1/actions', mail, agent, key);
    await rejected(first.body);
    expect((await bed.post('/v1/actions', mail, agent, key)).text).toBe(first.text);
  });
});
