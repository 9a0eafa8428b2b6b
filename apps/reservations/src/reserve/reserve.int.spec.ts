import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Grant, ReserveRequest } from '@exequatur/contracts';
import { newId, toInstant } from '@exequatur/kernel';
import { hashOf, Installation } from '../spec/installation.js';

describe('POST /v1/reservations', () => {
  let here: Installation;
  let budgetId: string;
  beforeAll(async () => {
    here = await Installation.start();
    budgetId = await here.budget('1000000');
    await here.budget('1000', 'tenant:acme', 'USD_MICROCENTS');
    await here.budget('1000000', 'tenant:globex');
  });
  afterAll(() => here.stop());

  const balance = async (): Promise<Record<string, unknown>> => {
    const { body } = await here.call('GET', '/v1/balances?unit=RISK_POINTS', here.personToken('acme'));
    return (body['items'] as Record<string, unknown>[])[0] ?? {};
  };
  const spoiled = async (changes: Partial<Grant>, request: Partial<ReserveRequest> = {}, token?: string) => here.reserve(here.grant(changes), request, token);

  test('holds a presented grant, and commits what was used', async () => {
    const before = await balance();
    const grant = here.grant({ risk_points: 20 });
    const held = await here.reserve(grant);
    expect(held).toMatchObject({ status: 201, body: { status: 'held', grant_id: grant.grant_id, use_no: 1, holds: [{ unit: 'RISK_POINTS', amount: '20' }] } });
    expect(held.bytes).not.toContain(budgetId);
    expect(await balance()).toMatchObject({ held: String(Number(before['held']) + 20) });
    const id = held.body['reservation_id'] as string;
    expect(await here.post(`/v1/reservations/${id}/start`, undefined)).toMatchObject({ status: 200, body: { status: 'started' } });
    expect(await here.post(`/v1/reservations/${id}/commit`, { actual: [{ unit: 'RISK_POINTS', amount: '15' }] })).toMatchObject({ status: 200, body: { status: 'committed' } });
    expect(await balance()).toMatchObject({ held: before['held'], committed: String(Number(before['committed']) + 15) });
    expect((await here.call('GET', `/v1/reservations/${id}`, here.agentToken('acme'))).body).toMatchObject({ status: 'committed', grant_id: grant.grant_id });
    const versions = await here.pool.query<{ version: number; type: string }>("SELECT version, type FROM event WHERE aggregate = 'reservation' AND subject = $1 ORDER BY version", [id]);
    expect(versions.rows.map(({ version, type }) => `${version} ${type.split('.')[3]}`)).toEqual(['1 ReservationHeld', '2 ReservationStarted', '3 ReservationCommitted']);
  });

  test('invariant 21: the same key gives the byte-equal first answer and no event, another input is refused', async () => {
    const grant = here.grant();
    const key = newId();
    const body = await here.request(grant);
    const first = await here.post('/v1/reservations', body, undefined, key);
    const events = await here.count("SELECT FROM event WHERE aggregate = 'reservation'");
    const again = await here.post('/v1/reservations', body, undefined, key);
    expect(first.status).toBe(201);
    expect(again.bytes).toBe(first.bytes);
    expect(await here.count("SELECT FROM event WHERE aggregate = 'reservation'")).toBe(events);
    expect(await here.post('/v1/reservations', { ...body, run_id: 'run-2' }, undefined, key)).toMatchObject({ status: 422, body: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  test('invariant 21: a refusal is kept byte-equal too', async () => {
    const grant = here.grant();
    await here.reserve(grant);
    const key = newId();
    const body = await here.request(grant);
    const first = await here.post('/v1/reservations', body, undefined, key);
    expect(first).toMatchObject({ status: 409, body: { code: 'GRANT_EXHAUSTED' } });
    expect((await here.post('/v1/reservations', body, undefined, key)).bytes).toBe(first.bytes);
  });

  test('a dry run decides the same and changes nothing', async () => {
    const grant = here.grant();
    const before = [await here.count("SELECT FROM event WHERE aggregate = 'reservation'"), await here.count('SELECT FROM grant_row'), await balance()];
    expect(await here.post('/v1/decide', await here.request(grant))).toMatchObject({ status: 200, body: { allowed: 'yes', holds: [{ unit: 'RISK_POINTS', amount: '1' }] } });
    expect(await here.post('/v1/decide', await here.request(grant, { run_id: 'x' }))).toMatchObject({ status: 200, body: { allowed: 'no', code: 'RUN_MISMATCH' } });
    expect([await here.count("SELECT FROM event WHERE aggregate = 'reservation'"), await here.count('SELECT FROM grant_row'), await balance()]).toEqual(before);
    expect((await here.reserve(grant)).status).toBe(201);
  });

  describe('each mismatch has its own code', () => {
    const sha = `sha256:${'0'.repeat(64)}`;
    const cases: readonly [string, number, () => ReturnType<typeof spoiled>][] = [
      ['GRANT_UNKNOWN', 403, () => spoiled({}, { grant: undefined as unknown as string, grant_id: newId() })],
      ['SCOPE_MISMATCH', 403, () => spoiled({}, { scope_path: 'tenant:acme' })],
      ['AGENT_MISMATCH', 403, () => spoiled({}, { agent: undefined as unknown as string }, here.agentToken('acme', 'other'))],
      ['RUN_MISMATCH', 403, () => spoiled({}, { run_id: 'run-2' })],
      ['KIND_MISMATCH', 403, () => spoiled({}, { action_kind: 'mail.read' })],
      ['MODE_MISMATCH', 403, () => spoiled({}, { execution_mode: 'managed' })],
      ['MODE_MISMATCH', 403, () => spoiled({ execution_mode: 'managed' })],
      ['TOOL_MISMATCH', 403, () => spoiled({}, { tool: { name: 'mailer.send', version: '2' } })],
      ['TARGET_MISMATCH', 403, () => spoiled({}, { target_hash: sha })],
      ['ARGUMENTS_MISMATCH', 403, () => spoiled({}, { arguments_hash: sha })],
      ['GRANT_NOT_YET_VALID', 403, () => spoiled({ not_before: toInstant(Date.now() + 60_000) })],
      ['GRANT_EXHAUSTED', 409, () => spoiled({}, { use_no: 2 })],
      ['POINTS_EXCEEDED', 403, () => spoiled({}, { amounts: [{ unit: 'RISK_POINTS', amount: '2' }] })],
      ['CAP_EXCEEDED', 403, () => spoiled({ caps: { tools: ['mailer.draft'] } })],
      ['BUDGET_UNKNOWN', 409, () => spoiled({ amounts: [{ unit: 'TOKENS', amount: '1' }] })],
      ['BUDGET_EXCEEDED', 409, () => spoiled({ amounts: [{ unit: 'USD_MICROCENTS', amount: '1001' }] })],
      ['POLICY_NOT_YET_KNOWN', 503, () => spoiled({ policy_version: 999, policy_hash: sha })],
    ];
    test.each(cases)('%s', async (code, status, ask) => {
      expect(await ask()).toMatchObject({ status, body: { code } });
    });

    test('invariant 2: GRANT_EXPIRED', async () => {
      expect(await spoiled({ expires_at: toInstant(Date.now() - 1) })).toMatchObject({ status: 410, body: { code: 'GRANT_EXPIRED' } });
    });
    test('invariant 4: a use past the last is refused, whoever asks', async () => {
      const grant = here.grant({ max_uses: 2 });
      expect((await here.reserve(grant, { use_no: 1 })).status).toBe(201);
      expect((await here.reserve(grant, { use_no: 2 })).status).toBe(201);
      expect(await here.reserve(grant, { use_no: 3 })).toMatchObject({ status: 409, body: { code: 'GRANT_EXHAUSTED' } });
      expect((await here.call('GET', `/v1/grants/${grant.grant_id}`, here.agentToken('acme'))).body).toMatchObject({ status: 'Exhausted', uses: 2, max_uses: 2 });
    });
    test('invariant 5: a released use stays spent', async () => {
      const grant = here.grant();
      const held = await here.reserve(grant);
      expect(await here.post(`/v1/reservations/${held.body['reservation_id'] as string}/release`, {})).toMatchObject({ status: 200, body: { status: 'released' } });
      expect(await here.reserve(grant)).toMatchObject({ status: 409, body: { code: 'GRANT_EXHAUSTED' } });
    });
    test('a refusal is an event, with the budget for operators only', async () => {
      const answer = await spoiled({ amounts: [{ unit: 'USD_MICROCENTS', amount: '1001' }] });
      expect(Object.keys(answer.body).sort()).toEqual(['code', 'retryable', 'status', 'title', 'type']);
      const refusals = await here.events('ReservationRefused');
      expect(refusals.at(-1)?.data).toMatchObject({ code: 'BUDGET_EXCEEDED', budget_id: expect.any(String) });
    });
    test('a denial after approval is counted as one', async () => {
      const grant = here.grant({ source: 'approval' });
      expect(await here.reserve(grant, { run_id: 'other' })).toMatchObject({ status: 403, body: { code: 'RUN_MISMATCH' } });
      const metrics = await (await fetch(`${here.origin}/metrics`)).text();
      expect(metrics).toMatch(/exequatur_authority_decisions_total\{answer="RUN_MISMATCH",after_approval="true"[^}]*\} 1\n/);
    });
    test('POLICY_NOT_YET_KNOWN is neither stored nor an event: the same key works once the policy is here', async () => {
      const next = { version: 1, classes: { mail: { kinds: ['mail.send', 'mail.read', 'mail.list'], default: 'allow' } } };
      const grant = here.grant({ policy_version: here.policyVersion + 1, policy_hash: hashOf(next) });
      const key = newId();
      const body = await here.request(grant);
      const events = await here.count("SELECT FROM event WHERE aggregate = 'reservation'");
      expect(await here.post('/v1/reservations', body, undefined, key)).toMatchObject({ status: 503, body: { code: 'POLICY_NOT_YET_KNOWN', retryable: true } });
      expect(await here.count("SELECT FROM event WHERE aggregate = 'reservation'")).toBe(events);
      await here.publishPolicy('acme', next);
      expect(await here.post('/v1/reservations', body, undefined, key)).toMatchObject({ status: 201 });
    });
  });

  describe('whose signature', () => {
    test.each<[string, (grant: Grant) => string]>([
      ['an allowance signed by approvals', (grant) => here.sign(grant, 'approvals')],
      ['an allowance signed by the executor', (grant) => here.sign(grant, 'executor')],
      ['an approval signed by policy', (grant) => here.sign({ ...grant, source: 'approval' }, 'policy')],
      ['a token of another type', (grant) => here.sign(grant, 'policy', 'exq-authorization+jwt')],
      ['a flipped signature', (grant) => here.sign(grant).replace(/.(?=.{5}$)/, (letter) => (letter === 'A' ? 'B' : 'A'))],
    ])('invariant 1: %s is no grant', async (_, token) => {
      const grant = here.grant();
      expect(await here.reserve(grant, { grant: token(grant) })).toMatchObject({ status: 403, body: { code: 'GRANT_UNKNOWN' } });
    });
    test('an approval signed by approvals is one', async () => {
      expect((await here.reserve(here.grant({ source: 'approval' }))).status).toBe(201);
    });
    test('the authorization token proves the claim, and stands in the answer only', async () => {
      const held = await here.reserve(here.grant());
      const token = held.body['authorization'] as string;
      const claims = await here.signer('executor').verifyJws(token, { service: 'reservations', typ: 'exq-authorization+jwt', judgeTime: false });
      expect(claims).toMatchObject({ reservation_id: held.body['reservation_id'], execute_by: held.body['execute_by'] });
      const stored = await here.pool.query<{ found: boolean }>("SELECT bool_or(position(convert_to($1, 'UTF8') in bytes) > 0) AS found FROM event", [token]);
      expect(stored.rows[0]?.found).toBe(false);
    });
  });

  describe('invariant 18: tenants', () => {
    test('a presented grant of another tenant is TENANT_MISMATCH, its bare id is unknown, and no row appears', async () => {
      const grant = here.grant();
      const foreign = here.agentToken('globex');
      expect(await here.reserve(grant, {}, foreign)).toMatchObject({ status: 403, body: { code: 'TENANT_MISMATCH' } });
      await here.reserve(grant);
      expect(await here.reserve(grant, { grant: undefined as unknown as string, grant_id: grant.grant_id }, foreign)).toMatchObject({ status: 403, body: { code: 'GRANT_UNKNOWN' } });
      expect(await here.count("SELECT FROM grant_row WHERE tenant = 'globex'")).toBe(0);
      expect(JSON.stringify(await here.events('ReservationRefused', 'globex'))).not.toContain('"tenant:acme');
    });
    test('invariant 18: a reservation of another tenant is not found, neither read nor settled', async () => {
      const held = await here.reserve(here.grant());
      const id = held.body['reservation_id'] as string;
      for (const token of [here.agentToken('globex'), here.personToken('globex'), here.agentToken('acme', 'other')]) expect((await here.call('GET', `/v1/reservations/${id}`, token)).status).toBe(404);
      for (const [path, body] of [['start', undefined], ['commit', {}], ['release', {}], ['extend', { by_ms: 1_000 }]] as const) {
        expect(await here.post(`/v1/reservations/${id}/${path}`, body, here.agentToken('globex'))).toMatchObject({ status: 404, body: { code: 'NOT_FOUND' } });
      }
      expect((await here.call('GET', '/v1/reservations', here.personToken('globex'))).body).toEqual({ items: [], next_cursor: null });
    });
    test('balances are not for agents', async () => {
      expect((await here.call('GET', '/v1/balances', here.agentToken('acme'))).status).toBe(403);
    });
  });

  test('invariant 12: an agent defines no budget, applies and lifts no freeze', async () => {
    for (const path of ['/v1/budgets', `/v1/budgets/${budgetId}/adjust`, '/v1/freezes', `/v1/freezes/${newId()}/lift`]) expect((await here.post(path, { scope_path: 'tenant:acme', unit: 'X', cap: '1' })).status).toBe(403);
  });

  test('invariant 13: a policy that denies now beats an older approval, and an approval meets a newer rule', async () => {
    const allowed = here.grant();
    const approved = here.grant({ source: 'approval', approvers: [{ person: 'ada', role: 'approver', stage: 0, vote_event_id: newId() }] });
    await here.publishPolicy('acme', { version: 1, classes: { mail: { kinds: ['mail.send'], default: 'require_approval', approval: { stages: [{ roles: ['approver'], quorum: 1 }], ttl: '1h' } } } });
    expect(await here.reserve(allowed)).toMatchObject({ status: 403, body: { code: 'POLICY_CHANGED_APPROVAL_REQUIRED' } });
    const held = await here.reserve(approved);
    expect(held.status).toBe(201);
    expect((await here.call('GET', `/v1/reservations/${held.body['reservation_id'] as string}`, here.agentToken('acme'))).body).toMatchObject({ policy_result: 're_evaluated', policy_version: here.policyVersion });
    const late = here.grant({ source: 'approval', approvers: approved.approvers });
    await here.publishPolicy('acme', { version: 1, classes: { mail: { kinds: ['mail.send'], default: 'deny' } } });
    expect(await here.reserve(late)).toMatchObject({ status: 403, body: { code: 'POLICY_CHANGED_DENY' } });
  });
});
