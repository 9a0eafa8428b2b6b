import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { Installation } from '../spec/installation.js';

describe('group commit', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000');
  });
  afterAll(() => here.stop());

  test('invariant 7: 200 clients on one hot budget get exactly what it covers, many to a transaction', async () => {
    const scope = 'tenant:acme/app:hot';
    const budgetId = await here.budget('50', scope);
    const release = await here.holdUp('SELECT FROM budget WHERE budget_id = $1 FOR UPDATE', [budgetId]);
    const asked = Promise.all(Array.from({ length: 200 }, () => here.reserve(here.grant({ scope_path: scope }))));
    await here.until('commands wait', async () => (await here.gauge('exequatur_authority_queue')) > 64);
    await release();
    const answers = await asked;
    const counts = new Map<string, number>();
    for (const { status, body } of answers) counts.set(`${status} ${String(body['code'] ?? body['status'])}`, (counts.get(`${status} ${String(body['code'] ?? body['status'])}`) ?? 0) + 1);
    expect(Object.fromEntries(counts)).toEqual({ '201 held': 50, '409 BUDGET_EXCEEDED': 150 });
    const { rows } = await here.pool.query<{ largest: number }>("SELECT max(events)::integer AS largest FROM (SELECT count(*) AS events FROM event WHERE type ~ 'Reservation(Held|Refused)' GROUP BY xid) AS batch");
    expect(rows[0]?.largest).toBeGreaterThan(30);
  });

  test('invariant 21: one key twenty times at once is one claim; the others get its bytes or hear that it is running', async () => {
    const body = await here.request(here.grant());
    const key = newId();
    const before = await here.count('SELECT FROM reservation');
    const answers = await Promise.all(Array.from({ length: 20 }, () => here.post('/v1/reservations', body, undefined, key)));
    expect(await here.count('SELECT FROM reservation')).toBe(before + 1);
    const won = answers.filter(({ status }) => status === 201);
    expect(new Set(won.map(({ bytes }) => bytes)).size).toBe(1);
    expect(answers.filter(({ status }) => status !== 201).every(({ status, body: problem }) => status === 409 && problem['code'] === 'IDEMPOTENCY_IN_FLIGHT')).toBe(true);
  });

  test('commands on one claim in one batch are decided in their order: one end, the rest hear that it has ended', async () => {
    const id = (await here.reserve(here.grant())).body['reservation_id'] as string;
    const answers = await Promise.all([...Array.from({ length: 5 }, () => here.post(`/v1/reservations/${id}/commit`, {})), ...Array.from({ length: 5 }, () => here.post(`/v1/reservations/${id}/release`, {}))]);
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(answers.filter(({ status, body }) => status === 409 && body['code'] === 'RESERVATION_FINALIZED')).toHaveLength(9);
  });

  test('a refused command of a tenant does not hold up the others of its batch', async () => {
    const answers = await Promise.all(Array.from({ length: 30 }, (_, index) => here.reserve(here.grant(), index % 3 === 0 ? { run_id: 'other' } : {})));
    expect(answers.map(({ status }) => status)).toEqual(answers.map((_, index) => (index % 3 === 0 ? 403 : 201)));
  });

  test.each([
    ['no key', {}, 'IDEMPOTENCY_KEY_REQUIRED', 400],
    ['a body that is not the shape', { 'idempotency-key': 'k-1' }, 'INVALID', 422],
  ])('%s is refused before anything is locked', async (_, headers, code, status) => {
    const body = code === 'INVALID' ? { execution_mode: 'self' } : await here.request(here.grant());
    const answer = await fetch(`${here.origin}/v1/reservations`, { method: 'POST', headers: { authorization: `Bearer ${here.agentToken('acme')}`, 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) });
    expect({ status: answer.status, ...((await answer.json()) as object) }).toMatchObject({ status, code });
  });

  test('a budget adjusted below what is used is refused; raised, it gives room', async () => {
    const scope = 'tenant:acme/app:adjusted';
    const id = await here.budget('1', scope);
    expect((await here.reserve(here.grant({ scope_path: scope }))).status).toBe(201);
    expect((await here.reserve(here.grant({ scope_path: scope }))).body['code']).toBe('BUDGET_EXCEEDED');
    const adjust = (cap: string) => here.post(`/v1/budgets/${id}/adjust`, { cap, reason: 'spec' }, here.personToken('acme'));
    expect(await adjust('0')).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    expect(await adjust('2')).toMatchObject({ status: 200, body: { cap: '2', held: '1', entry_no: 3 } });
    expect((await here.reserve(here.grant({ scope_path: scope }))).status).toBe(201);
    expect(await here.post('/v1/budgets', { scope_path: scope, unit: 'RISK_POINTS', cap: '5' }, here.personToken('acme'))).toMatchObject({ status: 409 });
    expect(await here.post('/v1/budgets', { scope_path: 'tenant:globex', unit: 'CALLS', cap: '5' }, here.personToken('acme'))).toMatchObject({ status: 422 });
  });
});
