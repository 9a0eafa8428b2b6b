import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asked, CyclesClient, idOf, RESERVATIONS, UNIT } from '../spec/cycles-client.js';
import { FOLDED_BUDGETS, foldLog } from '../spec/fold-log.js';
import { Installation } from '../spec/installation.js';

describe('reserve, extend, commit, release and events of the Cycles surface', () => {
  let here: Installation;
  let cycles: CyclesClient;
  beforeAll(async () => {
    here = await Installation.start();
    cycles = await CyclesClient.of(here);
  });
  afterAll(() => here.stop());

  test('reserve, extend, commit less than reserved: the rest comes back, on every budget of the path', async () => {
    const [reserved = 0, spent = 0, remaining = 0] = await cycles.figures();
    const created = await cycles.create(asked(100, { ttl_ms: 300_000 }));
    expect(created).toMatchObject({ status: 200, body: { decision: 'ALLOW', reserved: { unit: UNIT, amount: 100 }, scope_path: 'tenant:acme/agent:bot', affected_scopes: ['tenant:acme', 'tenant:acme/agent:bot'] } });
    expect(created.body['remaining_ttl_ms']).toBeGreaterThan(200_000);
    expect(created.body['remaining_ttl_ms']).toBeLessThanOrEqual(300_000);
    expect(await cycles.figures()).toEqual([reserved + 100, spent, remaining - 100]);
    const extended = await cycles.settle(idOf(created), 'extend', { extend_by_ms: 10_000 });
    expect(extended).toMatchObject({ status: 200, body: { status: 'ACTIVE', expires_at_ms: (created.body['expires_at_ms'] as number) + 10_000 } });
    expect(await cycles.one(idOf(created))).toMatchObject({ status: 200, body: { status: 'ACTIVE', expires_at_ms: extended.body['expires_at_ms'], action: { name: 'meta/llama 3', tags: ['prod'] }, subject: { dimensions: { run_id: 'run-1' } } } });
    expect(await cycles.settle(idOf(created), 'commit', { actual: { unit: UNIT, amount: 60 }, metrics: { tokens_input: 3 } })).toMatchObject({ status: 200, body: { status: 'COMMITTED', charged: { amount: 60 }, released: { amount: 40 } } });
    expect(await cycles.figures()).toEqual([reserved, spent + 60, remaining - 60]);
    expect(await cycles.one(idOf(created))).toMatchObject({ status: 200, body: { status: 'COMMITTED', committed: { unit: UNIT, amount: 60 }, finalized_at_ms: expect.any(Number) } });
  });

  test('release returns everything; each end is final', async () => {
    const before = await cycles.figures();
    const id = idOf(await cycles.create(asked(50)));
    expect(await cycles.settle(id, 'release', { reason: 'not needed after all' })).toMatchObject({ status: 200, body: { status: 'RELEASED', released: { unit: UNIT, amount: 50 } } });
    expect(await cycles.figures()).toEqual(before);
    for (const [verb, body] of [['commit', { actual: { unit: UNIT, amount: 1 } }], ['release', {}], ['extend', { extend_by_ms: 1_000 }]] as const) {
      expect(await cycles.settle(id, verb, body)).toMatchObject({ status: 409, body: { error: 'RESERVATION_FINALIZED' } });
    }
    const [released] = await here.events('ReservationReleased');
    expect(JSON.stringify(released)).not.toContain('not needed');
  });

  test('it is the one ledger: purpose budget_only, no grant, no token, no execution', async () => {
    const created = await cycles.create(asked(7));
    const held = (await here.events('ReservationHeld')).find(({ subject }) => subject === idOf(created));
    expect(held?.data).toMatchObject({ purpose: 'budget_only', agent: 'mailer', action_kind: 'llm.completion', overage_policy: 'allow_if_available', grace_ms: 5_000 });
    for (const field of ['grant_id', 'use_no', 'action_id', 'execution_id']) expect(held?.data).not.toHaveProperty(field);
    expect(created.bytes).not.toContain('authorization');
    expect(JSON.stringify(held)).not.toContain('llama');
    expect((await here.call('GET', `/v1/reservations/${idOf(created)}`, here.agentToken('acme'))).body).toMatchObject({ reservation_id: idOf(created), status: 'held' });
    await cycles.settle(idOf(created), 'release', {});
  });

  test('invariant 7: 200 clients on one hot budget hold exactly what it covers', async () => {
    await here.budget('50', 'tenant:acme/app:hot', UNIT);
    const answers = await Promise.all(Array.from({ length: 200 }, () => cycles.create(asked(1, { subject: { app: 'hot' }, ttl_ms: 600_000 }))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(50);
    expect(answers.filter(({ status, body }) => status === 409 && body['error'] === 'BUDGET_EXCEEDED')).toHaveLength(150);
    expect((await cycles.balanceOf('app=hot'))['reserved']).toEqual({ unit: UNIT, amount: 50 });
  });

  describe('more used than reserved', () => {
    test('REJECT: 409, and the reservation can still be committed', async () => {
      const id = idOf(await cycles.create(asked(10, { overage_policy: 'REJECT' })));
      expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 11 } })).toMatchObject({ status: 409, body: { error: 'BUDGET_EXCEEDED' } });
      expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 10 } })).toMatchObject({ status: 200 });
    });

    test('ALLOW_IF_AVAILABLE, the default: all of it where every budget covers it, with an event that says so', async () => {
      const [, spent = 0] = await cycles.figures();
      const id = idOf(await cycles.create(asked(10)));
      expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 25 } })).toMatchObject({ status: 200, body: { charged: { amount: 25 } } });
      expect((await cycles.figures())[1]).toBe(spent + 25);
      expect((await here.events('OverageAuthorised')).map(({ subject }) => subject)).toContain(id);
    });

    test('ALLOW_IF_AVAILABLE: as much as is there', async () => {
      await here.budget('30', 'tenant:acme/app:small', UNIT);
      const id = idOf(await cycles.create(asked(10, { subject: { app: 'small' } })));
      expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 50 } })).toMatchObject({ status: 200, body: { charged: { amount: 30 } } });
    });
  });

  describe('events', () => {
    const event = (body: object) => cycles.ask('POST', '/v1/events', '/v1/events', body);
    const used = (amount: number, changes: object = {}): Record<string, unknown> => {
      const { estimate, ...rest } = asked(amount, changes);
      return { ...rest, actual: estimate };
    };
    test('usage that was not reserved is charged on every budget of the path, once', async () => {
      const [reserved, spent = 0] = await cycles.figures();
      const body = used(9);
      const first = await event(body);
      expect(first).toMatchObject({ status: 201, body: { status: 'APPLIED', charged: { unit: UNIT, amount: 9 } } });
      expect((await event(body)).bytes).toBe(first.bytes);
      expect((await cycles.figures()).slice(0, 2)).toEqual([reserved, spent + 9]);
    });
    test('more than there is: by default as much as is there, and then nothing, but applied; no overdraft where there is none left', async () => {
      await here.budget('30', 'tenant:acme/app:metered', UNIT);
      const subject = { app: 'metered' };
      expect(await event(used(20, { subject }))).toMatchObject({ status: 201, body: { charged: { amount: 20 } } });
      const body = used(50, { subject });
      const first = await event(body);
      expect(first).toMatchObject({ status: 201, body: { charged: { amount: 10 } } });
      expect((await event(body)).bytes).toBe(first.bytes);
      expect(await event(used(5, { subject }))).toMatchObject({ status: 201, body: { charged: { amount: 0 } } });
      expect(await event(used(5, { subject, overage_policy: 'ALLOW_WITH_OVERDRAFT' }))).toMatchObject({ status: 409, body: { error: 'OVERDRAFT_LIMIT_EXCEEDED' } });
      expect(await cycles.balanceOf('app=metered')).toMatchObject({ reserved: { amount: 0 }, spent: { amount: 30 }, remaining: { amount: 0 } });
    });
    test('more than there is: REJECT is refused, and nothing is charged', async () => {
      const before = await cycles.figures();
      expect(await event(used(100_000, { overage_policy: 'REJECT' }))).toMatchObject({ status: 409, body: { error: 'BUDGET_EXCEEDED' } });
      expect(await cycles.figures()).toEqual(before);
    });
  });

  describe('expiry', () => {
    const past = async (id: string, ms: number): Promise<void> => {
      await here.pool.query("UPDATE reservation SET expires_at = clock_timestamp() - make_interval(secs => $2) WHERE reservation_id = $1", [id, ms / 1_000]);
    };
    test('within the grace a commit still finds the hold, an extension does not', async () => {
      const id = idOf(await cycles.create(asked(2, { grace_period_ms: 60_000 })));
      await past(id, 1_000);
      expect(await cycles.settle(id, 'extend', { extend_by_ms: 1_000 })).toMatchObject({ status: 410, body: { error: 'RESERVATION_EXPIRED' } });
      expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 2 } })).toMatchObject({ status: 200 });
    });
    test('after it nothing does; the sweep gives everything back, and the list still shows it', async () => {
      const before = await cycles.figures();
      const id = idOf(await cycles.create(asked(2, { grace_period_ms: 0 })));
      await past(id, 1);
      expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 2 } })).toMatchObject({ status: 410, body: { error: 'RESERVATION_EXPIRED' } });
      await past(id, 60_000);
      await here.until('the sweep', async () => (await here.count("SELECT FROM reservation WHERE reservation_id = $1 AND status = 'Expired'", [id])) === 1);
      expect(await cycles.figures()).toEqual(before);
      expect(await cycles.one(id)).toMatchObject({ status: 410, body: { error: 'RESERVATION_EXPIRED' } });
      for (const [verb, body] of [['commit', { actual: { unit: UNIT, amount: 1 } }], ['release', {}], ['extend', { extend_by_ms: 1_000 }]] as const) expect(await cycles.settle(id, verb, body)).toMatchObject({ status: 410, body: { error: 'RESERVATION_EXPIRED' } });
      const { body } = await cycles.ask('GET', `${RESERVATIONS}?status=EXPIRED`, RESERVATIONS);
      expect((body['reservations'] as { reservation_id: string }[]).map(({ reservation_id }) => reservation_id)).toContain(id);
    });
  });

  test('a balance says what is owed, and that the limit was passed', async () => {
    const scope = 'tenant:acme/app:owing';
    const set = { scope_path: scope, unit: UNIT, cap: '10', overage_policy: 'allow_with_overdraft', overdraft_limit: '20' };
    expect((await here.post('/v1/budgets', set, here.personToken('acme'))).status).toBe(201);
    const id = idOf(await cycles.create(asked(8, { subject: { app: 'owing' }, overage_policy: 'ALLOW_WITH_OVERDRAFT' })));
    expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 15 } })).toMatchObject({ status: 200 });
    const amounts = (figures: Record<string, number>) => Object.fromEntries(Object.entries(figures).map(([name, amount]) => [name, { unit: UNIT, amount }]));
    expect(await cycles.balanceOf('app=owing')).toMatchObject({ ...amounts({ allocated: 10, spent: 8, reserved: 0, debt: 7, remaining: -5, overdraft_limit: 20 }), is_over_limit: false });
    expect(await cycles.create(asked(1, { subject: { app: 'owing' } }))).toMatchObject({ status: 409, body: { error: 'DEBT_OUTSTANDING' } });
  });

  test('a freeze quiesces over standing holds on budget: they start nothing', async () => {
    const id = idOf(await cycles.create(asked(1, { action: { kind: 'llm.held', name: 'x' } })));
    const freeze = await here.post('/v1/freezes', { scope: 'kind', value: 'llm.held', reason: 'spec' }, here.personToken('acme'));
    await here.until('quiesced', async () => (await here.count("SELECT FROM scope_freeze WHERE freeze_id = $1 AND status = 'Quiesced'", [freeze.body['freeze_id']])) === 1);
    expect(await cycles.settle(id, 'release', {})).toMatchObject({ status: 200 });
  });

  test('invariant 22: rows folded from the log alone are the rows', async () => {
    const { rows: log } = await here.pool.query<{ bytes: Buffer }>('SELECT bytes FROM event ORDER BY xid, position');
    const folded = foldLog(log.map(({ bytes }) => bytes));
    const moved = await here.pool.query<{ reservation_id: string; status: string; version: number }>('SELECT reservation_id, status, version FROM reservation ORDER BY reservation_id');
    expect(folded.reservations.map(({ reservation_id, status, version }) => ({ reservation_id, status, version }))).toEqual(moved.rows);
    expect(folded.budgets).toEqual((await here.pool.query(FOLDED_BUDGETS)).rows);
  });
});
