import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ActionAllowed, ActionWithdrawn, ApprovalGranted, ExecutionFailed, ExecutionReconciled, ExecutionSkipped, ExecutionStarted, ExecutionSucceeded, ExecutionUnknown, GrantRevoked, PolicyPublished } from '@exequatur/contracts';
import type { Grant } from '@exequatur/contracts';
import type { NewEvent } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import { executionIdOf } from '@exequatur/reservations-domain';
import { Installation } from '../spec/installation.js';
import type { Answered } from '../spec/installation.js';

const SEALED = { alg: 'A256GCM' as const, nonce: 'AAAAAAAAAAAAAAAA', ciphertext: 'AAAA' };
const sha = `sha256:${'a'.repeat(64)}`;
const EXECUTOR = { type: 'service' as const, id: 'executor' };

describe('grants and outcomes over the bus', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000');
  });
  afterAll(() => here.stop());

  const allow = async (grant: Grant): Promise<void> => {
    await here.neighbours.policy.publish(
      { tenant: grant.tenant, aggregate: 'action', id: grant.action_id },
      {
        definition: ActionAllowed,
        data: { action_id: grant.action_id, policy_hash: grant.policy_hash, policy_version: grant.policy_version, rule_id: 'class:mail', reason: 'allowed', tier: 'AUTO', sampled: false, grant_id: grant.grant_id, grant: here.sign(grant), expires_at: grant.expires_at },
        actor: { type: 'service', id: 'policy' },
        sealed: { ...SEALED, action_id: grant.action_id },
      },
    );
  };
  const approve = async (grant: Grant): Promise<void> => {
    await here.neighbours.approvals.publish(
      { tenant: grant.tenant, aggregate: 'approval', id: grant.grant_id },
      {
        definition: ApprovalGranted,
        data: { approval_id: grant.grant_id, action_id: grant.action_id, grant_id: grant.grant_id, grant: here.sign(grant), approver_ids: ['ada'], vote_event_ids: [newId()], granted_arguments_hash: grant.granted_arguments_hash, arguments_hash: grant.arguments_hash, narrowed: [], view_hash: sha, expires_at: grant.expires_at },
        actor: { type: 'service', id: 'approvals' },
        sealed: { ...SEALED, action_id: grant.action_id },
      },
    );
  };
  const rowOf = (grant: Grant) => here.pool.query<{ claims: string | null; closed: string | null }>('SELECT claims, closed FROM grant_row WHERE tenant = $1 AND grant_id = $2', [grant.tenant, grant.grant_id]).then(({ rows }) => rows[0]);
  const known = (grant: Grant): Promise<void> => here.until('the grant is known', async () => (await rowOf(grant))?.claims !== undefined);
  const statusOf = (id: string) => here.pool.query<{ status: string }>('SELECT status FROM reservation WHERE reservation_id = $1', [id]).then(({ rows }) => rows[0]?.status);
  const balance = async () => (await here.pool.query<{ held: string; committed: string }>("SELECT held, committed FROM budget WHERE tenant = 'acme' AND unit = 'RISK_POINTS'")).rows[0];

  const reserveManaged = async (grant: Grant, useNo = 1): Promise<Answered> =>
    here.post('/v1/reservations', { ...(await here.request(grant, { use_no: useNo })), grant: undefined, grant_id: grant.grant_id }, here.executorToken());
  const held = async (): Promise<{ grant: Grant; reservationId: string; execution: { execution_id: string; action_id: string; grant_id: string; use_no: number }; tell: (...events: NewEvent[]) => Promise<unknown> }> => {
    const grant = here.grant({ execution_mode: 'managed', risk_points: 5 });
    await allow(grant);
    await known(grant);
    const answer = await reserveManaged(grant);
    expect(answer).toMatchObject({ status: 201 });
    const execution = { execution_id: executionIdOf('acme', grant.grant_id, 1), action_id: grant.action_id, grant_id: grant.grant_id, use_no: 1 };
    expect(answer.body['execution_id']).toBe(execution.execution_id);
    const tell = (...events: NewEvent[]): Promise<unknown> => here.neighbours.executor.publish({ tenant: 'acme', aggregate: 'execution', id: execution.execution_id }, ...events);
    return { grant, reservationId: answer.body['reservation_id'] as string, execution, tell };
  };
  const event = <D>(definition: NewEvent<D>['definition'], data: D, actionId?: string): NewEvent => ({ definition, data, actor: EXECUTOR, ...(actionId === undefined ? {} : { sealed: { ...SEALED, action_id: actionId } }) }) as NewEvent;

  test('an allowance is known by its event; the executor reserves it by id, and its outcome commits it', async () => {
    const before = await balance();
    const { reservationId, execution, tell } = await held();
    await tell(event(ExecutionStarted, { ...execution, reservation_id: reservationId, execute_by: toInstant(Date.now() + 5_000) }));
    await here.until('started', async () => (await statusOf(reservationId)) === 'Started');
    await tell(event(ExecutionSucceeded, { ...execution, reservation_id: reservationId, provider_request_id: 'mail-1', actual: [{ unit: 'RISK_POINTS', amount: '4' }], executed_arguments_hash: sha }, execution.action_id));
    await here.until('committed', async () => (await statusOf(reservationId)) === 'Committed');
    expect(await balance()).toEqual({ held: before?.held, committed: String(Number(before?.committed) + 4) });
    expect((await here.events('ReservationCommitted')).at(-1)?.data).toMatchObject({ reservation_id: reservationId, attested_by: 'executor', outcome: 'SUCCEEDED', provider_request_id: 'mail-1', executed_arguments_hash: sha });
  });

  test('a failure releases the hold', async () => {
    const before = await balance();
    const { reservationId, execution, tell } = await held();
    await tell(event(ExecutionFailed, { ...execution, code: 'CONNECTOR_REFUSED' as const }, execution.action_id));
    await here.until('released', async () => (await statusOf(reservationId)) === 'Released');
    expect(await balance()).toEqual(before);
  });

  test('an execution that was skipped returns a claim whose answer never arrived', async () => {
    const { reservationId, execution, tell } = await held();
    await tell(event(ExecutionSkipped, { ...execution, code: 'GRANT_EXPIRED' }));
    await here.until('released', async () => (await statusOf(reservationId)) === 'Released');
  });

  test('invariant 6: unknown keeps the hold until it is reconciled', async () => {
    const before = await balance();
    const { reservationId, execution, tell } = await held();
    await tell(event(ExecutionUnknown, { ...execution, reservation_id: reservationId, code: 'TIMED_OUT_UNKNOWN' as const }));
    await here.until('unknown', async () => (await statusOf(reservationId)) === 'Unknown');
    expect((await balance())?.held).toBe(String(Number(before?.held) + 5));
    await tell(event(ExecutionReconciled, { ...execution, reservation_id: reservationId, result: 'executed' as const, by: 'person' as const, person: 'olga' }, execution.action_id));
    await here.until('committed', async () => (await statusOf(reservationId)) === 'Committed');
    expect(await balance()).toEqual({ held: before?.held, committed: String(Number(before?.committed) + 5) });
  });

  test('a late outcome settles what the sweep had marked unknown', async () => {
    const { reservationId, execution, tell } = await held();
    await here.pool.query("UPDATE reservation SET expires_at = clock_timestamp() - interval '1 second' WHERE reservation_id = $1", [reservationId]);
    await here.until('unknown', async () => (await statusOf(reservationId)) === 'Unknown');
    await tell(event(ExecutionStarted, { ...execution, reservation_id: reservationId, execute_by: toInstant(Date.now()) }), event(ExecutionSucceeded, { ...execution, reservation_id: reservationId, actual: [], executed_arguments_hash: sha }, execution.action_id));
    await here.until('committed', async () => (await statusOf(reservationId)) === 'Committed');
  });

  test('invariant 14: nothing is consumed after a revocation, also one that comes before the grant', async () => {
    const shown = async (grant: Grant, token = here.personToken('acme')) => here.call('GET', `/v1/grants/${grant.grant_id}`, token);
    const early = here.grant({ source: 'approval', action_id: newId() });
    const revoke = (grant: Grant) =>
      here.neighbours.approvals.publish(
        { tenant: 'acme', aggregate: 'approval', id: newId() },
        { definition: GrantRevoked, data: { approval_id: grant.grant_id, action_id: grant.action_id, grant_id: grant.grant_id, person: 'olga' }, actor: { type: 'person', id: 'olga' }, sealed: { ...SEALED, action_id: grant.action_id } },
      );
    await revoke(early);
    await here.until('closed', async () => (await rowOf(early))?.closed === 'revoked');
    expect(await here.reserve(early)).toMatchObject({ status: 403, body: { code: 'GRANT_REVOKED' } });
    const late = here.grant({ source: 'approval', action_id: newId() });
    await approve(late);
    await known(late);
    expect((await shown(late)).body).toMatchObject({ status: 'Usable', max_uses: 1, uses: 0 });
    await revoke(late);
    await here.until('closed', async () => (await rowOf(late))?.closed === 'revoked');
    expect(await here.reserve(late)).toMatchObject({ status: 403, body: { code: 'GRANT_REVOKED' } });
    expect((await shown(late)).body['status']).toBe('Revoked');
    expect((await shown(late, here.agentToken('acme'))).status).toBe(200);
    expect((await shown(late, here.agentToken('acme', 'other'))).status).toBe(404);
    expect((await shown(late, here.personToken('globex'))).status).toBe(404);
    expect((await here.events('GrantClosed')).map(({ subject }) => subject)).toEqual(expect.arrayContaining([early.grant_id, late.grant_id]));
  });

  test('invariant 14: a withdrawal ends every grant of the action, also those that are still on their way', async () => {
    const actionId = newId();
    const here1 = here.grant({ source: 'approval', action_id: actionId });
    await approve(here1);
    await known(here1);
    await here.neighbours.policy.publish({ tenant: 'acme', aggregate: 'action', id: actionId }, { definition: ActionWithdrawn, data: { action_id: actionId, reason: 'not needed' }, actor: { type: 'agent', id: 'mailer' } });
    await here.until('closed', async () => (await rowOf(here1))?.closed === 'withdrawn');
    expect(await here.reserve(here1)).toMatchObject({ status: 403, body: { code: 'GRANT_REVOKED' } });
    const onItsWay = here.grant({ source: 'approval', action_id: actionId });
    expect(await here.reserve(onItsWay)).toMatchObject({ status: 403, body: { code: 'GRANT_REVOKED' } });
    const allowance = here.grant({ grant_id: actionId, action_id: actionId });
    expect(await here.reserve(allowance)).toMatchObject({ status: 403, body: { code: 'GRANT_REVOKED' } });
  });

  test('a grant whose token somebody else signed goes to the dead letters, and its event creates nothing', async () => {
    const forged = here.grant();
    await here.neighbours.policy.publish(
      { tenant: 'acme', aggregate: 'action', id: forged.action_id },
      {
        definition: ActionAllowed,
        data: { action_id: forged.action_id, policy_hash: sha, policy_version: 1, rule_id: 'r', reason: 'r', tier: 'AUTO', sampled: false, grant_id: forged.grant_id, grant: here.sign(forged, 'executor'), expires_at: forged.expires_at },
        actor: { type: 'service', id: 'policy' },
        sealed: { ...SEALED, action_id: forged.action_id },
      },
    );
    await here.until('a dead letter', async () => (await here.count("SELECT FROM inbox_dead_letter WHERE reason LIKE 'GRANT_UNKNOWN%'")) === 1);
    expect(await rowOf(forged)).toBeUndefined();
  });

  test('a policy whose hash is not the hash of its text does not come into force', async () => {
    const before = (await here.pool.query("SELECT policy_version, policy_hash FROM policy_in_force WHERE tenant = 'globex'")).rows[0] as object;
    await here.neighbours.policy.publish(
      { tenant: 'globex', aggregate: 'policy', id: 'forged' },
      { definition: PolicyPublished, data: { policy_hash: sha, policy_version: 99, source: '', canonical: '{"version":1,"classes":{},"tools":{},"rules":[]}', registered_kinds: [], reason: 'spec' }, actor: { type: 'person', id: 'pia' } },
    );
    await here.until('it was refused', async () => (await here.count("SELECT FROM refused_bundle WHERE tenant = 'globex' AND policy_version = 99 AND fault = 'hash'")) === 1);
    expect((await here.pool.query("SELECT policy_version, policy_hash FROM policy_in_force WHERE tenant = 'globex'")).rows[0]).toEqual(before);
    expect((await here.events('PolicyInForce', 'globex')).map(({ data }) => data['fence_epoch'])).toEqual([1]);
  });
});
