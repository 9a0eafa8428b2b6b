import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Grant } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { FOLDED_BUDGETS, foldLog } from '../spec/fold-log.js';
import { Installation } from '../spec/installation.js';

const HOUR_MS = 3_600_000;

describe('budgets', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000000', 'tenant:acme');
  });
  afterAll(() => here.stop());

  const operate = (path: string, body: object) => here.post(path, body, here.personToken('acme'));
  const defined = async (scope: string, body: object): Promise<string> => {
    const { status, body: budget } = await operate('/v1/budgets', { scope_path: scope, unit: 'USD_MICROCENTS', ...body });
    expect(status).toBe(201);
    return budget['budget_id'] as string;
  };
  const grantOf = (scope: string, amount: string, changes: Partial<Grant> = {}): Grant => here.grant({ scope_path: scope, amounts: [{ unit: 'USD_MICROCENTS', amount }], ...changes });
  const held = async (scope: string, amount: string): Promise<string> => {
    const { status, body } = await here.reserve(grantOf(scope, amount));
    expect(status).toBe(201);
    return body['reservation_id'] as string;
  };
  const commit = (id: string, used: string) => here.post(`/v1/reservations/${id}/commit`, { actual: [{ unit: 'USD_MICROCENTS', amount: used }] });
  const balance = async (id: string): Promise<Record<string, unknown>> => {
    const { body } = await here.call('GET', '/v1/balances?limit=200', here.personToken('acme'));
    return (body['items'] as Record<string, unknown>[]).find(({ budget_id }) => budget_id === id) ?? {};
  };
  /** As if everything that was held and spent lay an hour further back, by the database's clock: row and events stay one. */
  const anHourAgo = async (scope: string): Promise<void> => {
    await here.pool.query('UPDATE budget SET window_start_ms = window_start_ms - $2 WHERE scope_path = $1', [scope, HOUR_MS]);
    const { rows } = await here.pool.query<{ reservation_id: string; claim: string }>("SELECT reservation_id, claim FROM reservation WHERE scope_path = $1 AND status = 'Held'", [scope]);
    for (const { reservation_id, claim } of rows) {
      const data = JSON.parse(claim) as { holds: { window_start?: string }[] };
      const holds = data.holds.map((hold) => (hold.window_start === undefined ? hold : { ...hold, window_start: new Date(Date.parse(hold.window_start) - HOUR_MS).toISOString() }));
      // What a claim says never changes, so an instance may remember it; it is read again where it expires at another time than remembered.
      await here.pool.query("UPDATE reservation SET claim = $2, expires_at = expires_at + interval '1 second' WHERE reservation_id = $1", [reservation_id, JSON.stringify({ ...data, holds })]);
    }
  };

  describe('windows', () => {
    test('invariant 7: a budget begins anew with its window, and a late commit is spent in the window of its hold', async () => {
      const scope = 'tenant:acme/app:hourly';
      const id = await defined(scope, { cap: '100', window: 'hour' });
      const late = await held(scope, '60');
      expect((await here.reserve(grantOf(scope, '60'))).body['code']).toBe('BUDGET_EXCEEDED');
      await anHourAgo(scope);
      expect(await balance(id)).toMatchObject({ held: '0', committed: '0', available: '100', window: 'hour', window_end: expect.any(String) });
      const fresh = await held(scope, '90');
      expect(await balance(id)).toMatchObject({ held: '90', available: '10' });
      expect((await commit(late, '50')).status).toBe(200);
      expect(await balance(id)).toMatchObject({ held: '90', committed: '0', available: '10', entry_no: 4 });
      expect((await commit(fresh, '80')).status).toBe(200);
      expect(await balance(id)).toMatchObject({ held: '0', committed: '80', available: '20' });
      const moves = (await here.events('ReservationCommitted')).flatMap(({ data }) => data['moves'] as { budget_id: string; window_start: string; committed: string }[]).filter(({ budget_id }) => budget_id === id);
      expect(moves.map(({ committed }) => committed)).toEqual(['50', '80']);
      expect(Date.parse(moves[0]?.window_start ?? '')).toBeLessThan(Date.parse(moves[1]?.window_start ?? ''));
      const { rows } = await here.pool.query('SELECT earlier FROM budget WHERE budget_id = $1', [id]);
      expect(rows).toEqual([{ earlier: null }]);
      // What was set back by hand in this test stands in no event.
      await here.pool.query('DELETE FROM budget WHERE budget_id = $1', [id]);
    });

    test('a release in a later window returns nothing to it', async () => {
      const scope = 'tenant:acme/app:released-late';
      const id = await defined(scope, { cap: '10', window: 'hour' });
      const late = await held(scope, '10');
      await anHourAgo(scope);
      await held(scope, '10');
      expect((await here.post(`/v1/reservations/${late}/release`, {})).status).toBe(200);
      expect(await balance(id)).toMatchObject({ held: '10', available: '0' });
      expect((await here.reserve(grantOf(scope, '1'))).body['code']).toBe('BUDGET_EXCEEDED');
      await here.pool.query('DELETE FROM budget WHERE budget_id = $1', [id]);
    });
  });

  test('a soft limit warns once a crossing, on the stream of what crossed it', async () => {
    const scope = 'tenant:acme/app:soft';
    const id = await defined(scope, { cap: '100', soft_limit: '50' });
    await held(scope, '40');
    const crossing = await held(scope, '20');
    await held(scope, '10');
    const warnings = (await here.events('BudgetSoftLimitReached')).filter(({ data }) => data['budget_id'] === id);
    expect(warnings).toMatchObject([{ subject: crossing, version: 2, data: { soft_limit: '50', held: '60', scope_path: scope } }]);
    // The version of the row counts the warning: the claim can still be settled.
    expect((await commit(crossing, '20')).status).toBe(200);
  });

  describe('usage beyond a hold', () => {
    test('rejected where nobody declared anything, and the hold stands', async () => {
      const scope = 'tenant:acme/app:reject';
      const id = await defined(scope, { cap: '100' });
      const claim = await held(scope, '10');
      expect(await commit(claim, '11')).toMatchObject({ status: 409, body: { code: 'COMMIT_EXCEEDS_RESERVED' } });
      expect(await balance(id)).toMatchObject({ held: '10', committed: '0' });
      expect((await commit(claim, '10')).status).toBe(200);
    });

    test('allowed as far as it is there; then the budget is over its limit until a person funds it', async () => {
      const scope = 'tenant:acme/app:available';
      const id = await defined(scope, { cap: '100', overage_policy: 'allow_if_available' });
      const claim = await held(scope, '90');
      expect((await commit(claim, '130')).status).toBe(200);
      expect(await balance(id)).toMatchObject({ committed: '100', over_limit: true, available: '0', debt: '0' });
      const authorised = (await here.events('OverageAuthorised')).filter(({ subject }) => subject === claim);
      expect(authorised).toMatchObject([{ version: 2, data: { policy: 'allow_if_available', overages: [{ budget_id: id, extra: '10', overdraft: '0' }] } }]);
      expect((await here.events('ReservationCommitted')).at(-1)).toMatchObject({ subject: claim, version: 3, data: { actual: [{ unit: 'RISK_POINTS' }, { unit: 'USD_MICROCENTS', amount: '100' }], comparison: { arguments: 'not_reported', amounts: [{ unit: 'USD_MICROCENTS', reserved: '90', actual: '130' }] } } });
      expect((await here.reserve(grantOf(scope, '1'))).body['code']).toBe('BUDGET_EXCEEDED');
      expect(await operate(`/v1/budgets/${id}/fund`, { amount: '50', reason: 'spec' })).toMatchObject({ status: 200, body: { cap: '150', over_limit: false } });
      expect((await here.reserve(grantOf(scope, '1'))).status).toBe(201);
    });

    test('invariant 7: an overdraft is shared exactly by commits that come together, and paid first by funding', async () => {
      const scope = 'tenant:acme/app:overdraft';
      const id = await defined(scope, { cap: '100', overage_policy: 'allow_with_overdraft', overdraft_limit: '50' });
      const claims = await Promise.all(Array.from({ length: 10 }, () => held(scope, '10')));
      const answers = await Promise.all(claims.map((claim) => commit(claim, '20')));
      expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
      expect(answers.filter(({ status, body }) => status === 409 && body['code'] === 'OVERDRAFT_LIMIT_EXCEEDED')).toHaveLength(5);
      expect(await balance(id)).toMatchObject({ held: '50', committed: '50', debt: '50', available: '0' });
      expect((await here.reserve(grantOf(scope, '1'))).body['code']).toBe('BUDGET_EXCEEDED');
      expect(await operate(`/v1/budgets/${id}/fund`, { amount: '30', reason: 'part of it' })).toMatchObject({ body: { cap: '130', committed: '80', debt: '20' } });
      expect((await here.reserve(grantOf(scope, '1'))).body['code']).toBe('BUDGET_EXCEEDED');
      expect(await operate(`/v1/budgets/${id}/fund`, { amount: '20', reason: 'the rest' })).toMatchObject({ body: { cap: '150', committed: '100', debt: '0' } });
      const open = claims.filter((_, index) => answers[index]?.status === 409);
      for (const claim of open) expect((await here.post(`/v1/reservations/${claim}/release`, {})).status).toBe(200);
      expect(await balance(id)).toMatchObject({ held: '0', committed: '100', available: '50' });
      expect((await here.reserve(grantOf(scope, '50'))).status).toBe(201);
    });

    test('invariant 7: the row itself refuses to hold more than its cap, and to owe less than nothing, whoever writes it', async () => {
      const scope = 'tenant:acme/app:row';
      const id = await defined(scope, { cap: '10', overage_policy: 'allow_with_overdraft', overdraft_limit: '5' });
      await expect(here.pool.query('UPDATE budget SET held = 11 WHERE budget_id = $1', [id])).rejects.toThrow('budget_covers');
      await expect(here.pool.query('UPDATE budget SET debt = -1 WHERE budget_id = $1', [id])).rejects.toThrow('check constraint');
    });
  });

  describe('closing', () => {
    test('a closed budget covers nothing new, settles what it holds, and leaves its place', async () => {
      const scope = 'tenant:acme/app:closed';
      const id = await defined(scope, { cap: '100' });
      const claim = await held(scope, '30');
      expect(await operate(`/v1/budgets/${id}/close`, { reason: 'spec' })).toMatchObject({ status: 200, body: { closed: true, held: '30' } });
      expect((await here.reserve(grantOf(scope, '1'))).body['code']).toBe('BUDGET_EXCEEDED');
      for (const [path, body] of [['adjust', { cap: '200' }], ['fund', { amount: '1' }]] as const) expect(await operate(`/v1/budgets/${id}/${path}`, { ...body, reason: 'spec' })).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
      expect((await operate(`/v1/budgets/${id}/close`, { reason: 'again' })).status).toBe(200);
      expect((await commit(claim, '30')).status).toBe(200);
      const other = await defined(scope, { cap: '5' });
      expect((await here.reserve(grantOf(scope, '5'))).status).toBe(201);
      expect(await balance(other)).toMatchObject({ held: '5', closed: false });
      expect(await balance(id)).toMatchObject({ held: '0', committed: '30', closed: true, available: '0' });
    });

    test.each([
      ['close', {}],
      ['fund', { amount: '1' }],
      ['adjust', { cap: '1' }],
    ])('%s: not by agents, not without a reason, not of another tenant', async (path, body) => {
      const id = await defined(`tenant:acme/app:own-${path}`, { cap: '100' });
      expect((await here.post(`/v1/budgets/${id}/${path}`, { ...body, reason: 'spec' })).status).toBe(403);
      expect((await operate(`/v1/budgets/${id}/${path}`, { ...body, reason: ' ' })).body['code']).toBe('REASON_REQUIRED');
      expect((await here.post(`/v1/budgets/${id}/${path}`, { ...body, reason: 'spec' }, here.personToken('globex'))).status).toBe(404);
      expect((await operate(`/v1/budgets/${newId()}/${path}`, { ...body, reason: 'spec' })).status).toBe(404);
    });
  });

  test('terms are adjusted one by one; amounts that overflow and soft limits above the cap are refused', async () => {
    const id = await defined('tenant:acme/app:terms', { cap: '100', soft_limit: '50' });
    const adjust = (body: object) => operate(`/v1/budgets/${id}/adjust`, { reason: 'spec', ...body });
    expect(await adjust({ overage_policy: 'allow_if_available' })).toMatchObject({ status: 200, body: { cap: '100', soft_limit: '50', overage_policy: 'allow_if_available', entry_no: 2 } });
    expect((await adjust({ no_soft_limit: true })).body).not.toHaveProperty('soft_limit');
    expect(await adjust({ soft_limit: '101' })).toMatchObject({ status: 422, body: { code: 'INVALID' } });
    expect(await adjust({ soft_limit: '1', no_soft_limit: true })).toMatchObject({ status: 422 });
    expect(await operate(`/v1/budgets/${id}/fund`, { amount: '9'.repeat(30), reason: 'spec' })).toMatchObject({ status: 422, body: { code: 'INVALID' } });
  });

  test('which scope refused is for operators, and never in the answer', async () => {
    const scope = 'tenant:acme/app:scoped';
    const id = await defined(scope, { cap: '1' });
    const answer = await here.reserve(grantOf(scope, '2'));
    expect(answer.body['code']).toBe('BUDGET_EXCEEDED');
    expect(answer.bytes).not.toContain(id);
    expect(answer.bytes).not.toContain(scope);
    const { data, subject } = (await here.events('ReservationRefused')).at(-1) ?? { data: {}, subject: '' };
    expect(data).toMatchObject({ budget_id: id, budget_scope_path: scope });
    const listed = await here.call('GET', '/v1/reservations/refusals', here.personToken('acme'));
    expect((listed.body['items'] as Record<string, unknown>[])[0]).toMatchObject({ reservation_id: subject, code: 'BUDGET_EXCEEDED', budget_id: id, budget_scope_path: scope, agent: 'mailer' });
    expect((await here.call('GET', '/v1/reservations/refusals', here.agentToken('acme'))).status).toBe(403);
    expect((await here.call('GET', '/v1/reservations/refusals', here.personToken('globex'))).body['items']).toEqual([]);
  });

  test('invariant 10, 22: rows folded from the log alone are the rows, window by window', async () => {
    const { rows: log } = await here.pool.query<{ bytes: Buffer }>('SELECT bytes FROM event ORDER BY xid, position');
    const { rows } = await here.pool.query<{ budget_id: string }>(FOLDED_BUDGETS);
    const standing = new Set(rows.map(({ budget_id }) => budget_id));
    expect(foldLog(log.map(({ bytes }) => bytes)).budgets.filter(({ budget_id }) => standing.has(budget_id))).toEqual(rows);
    expect(rows.length).toBeGreaterThan(10);
  });
});
