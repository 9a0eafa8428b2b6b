import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { asked, CyclesClient, idOf, UNIT } from '../spec/cycles-client.js';
import { BASE_POLICY, Installation } from '../spec/installation.js';
import type { Answered } from '../spec/installation.js';
import { RuntimeAuthority } from './runtime-authority.js';

describe('a batch decided before its transaction, on what was decided last', () => {
  let here: Installation;
  let cycles: CyclesClient;
  let app = '';
  let budgetId = '';
  beforeAll(async () => {
    here = await Installation.start();
    cycles = await CyclesClient.of(here);
  });
  afterAll(() => here.stop());

  /** A budget of its own, and whatever was refuted before it forgotten: after some batches that are read it is tried again. */
  beforeEach(async () => {
    app = `a${newId().slice(-8)}`;
    budgetId = await here.budget('100', scope(), UNIT);
    for (let nth = 0; nth < 70 && (await counted('confirmed')) < 1; nth += 1) await hold(1);
    await reset();
  });
  const scope = (): string => `tenant:acme/app:${app}`;
  const hold = (amount: number): Promise<Answered> => cycles.create(asked(amount, { subject: { app }, ttl_ms: 600_000 }));

  /** Since the last reset. */
  const base = { confirmed: 0, refuted: 0 };
  const total = (result: keyof typeof base): Promise<number> => here.gauge('exequatur_authority_foreseen_total', `result="${result}"`);
  const counted = async (result: keyof typeof base): Promise<number> => (await total(result)) - base[result];
  const reset = async (): Promise<void> => {
    base.confirmed = await total('confirmed');
    base.refuted = await total('refuted');
  };

  test('holds and commits on one budget are confirmed, and the ledger is what it would be', async () => {
    const before = await cycles.balanceOf(`app=${app}`);
    for (let nth = 0; nth < 5; nth += 1) {
      const held = await hold(2);
      expect(await cycles.settle(idOf(held), 'commit', { actual: { unit: UNIT, amount: 1 } })).toMatchObject({ status: 200, body: { charged: { amount: 1 }, released: { amount: 1 } } });
    }
    expect(await counted('refuted')).toBe(0);
    expect(await counted('confirmed')).toBe(10);
    const after = await cycles.balanceOf(`app=${app}`);
    expect(after).toMatchObject({ reserved: before['reserved'], spent: { amount: ((before['spent'] as { amount: number }).amount) + 5 } });
  });

  test('a claim with a grant of its own is decided ahead, too, and its use is taken once', async () => {
    await here.budget('10', scope());
    const warm = here.grant({ scope_path: scope() });
    await here.reserve(warm);
    await reset();
    const grant = here.grant({ scope_path: scope() });
    expect((await here.reserve(grant)).status).toBe(201);
    expect(await counted('confirmed')).toBe(1);
    expect((await here.reserve(grant)).body['code']).toBe('GRANT_EXHAUSTED');
    expect(await counted('refuted')).toBe(1);
    expect(await here.count('SELECT FROM reservation WHERE grant_id = $1', [grant.grant_id])).toBe(1);
  });

  test('invariant 5: a grant taken back meanwhile authorises nothing', async () => {
    await here.budget('10', scope());
    const grant = here.grant({ scope_path: scope(), max_uses: 3, binding: 'exact' });
    expect((await here.reserve(grant, { use_no: 1 })).status).toBe(201);
    expect((await here.reserve(grant, { use_no: 2 })).status).toBe(201);
    await reset();
    // What the consumer of GrantRevoked writes.
    await here.pool.query("UPDATE grant_row SET closed = 'revoked' WHERE grant_id = $1", [grant.grant_id]);
    expect((await here.reserve(grant, { use_no: 3 })).body['code']).toBe('GRANT_REVOKED');
    expect(await counted('refuted')).toBe(1);
  });

  test('invariant 7: a cap lowered meanwhile counts', async () => {
    const used = ((await cycles.balanceOf(`app=${app}`))['reserved'] as { amount: number }).amount;
    await hold(1);
    expect((await here.post(`/v1/budgets/${budgetId}/adjust`, { cap: String(used + 1), reason: 'spec' }, here.personToken('acme'))).status).toBe(200);
    expect((await hold(1)).body['error']).toBe('BUDGET_EXCEEDED');
    expect(await counted('refuted')).toBe(1);
  });

  test('invariant 7: a budget set above meanwhile is charged', async () => {
    const inner = (amount: number): Promise<Answered> => cycles.create(asked(amount, { subject: { app, workflow: 'w' }, ttl_ms: 600_000 }));
    await inner(1);
    await inner(1);
    await reset();
    await here.budget('3', `${scope()}/workflow:w`, UNIT);
    expect((await inner(3)).status).toBe(200);
    expect(await counted('refuted')).toBe(1);
    expect((await inner(1)).body['error']).toBe('BUDGET_EXCEEDED');
  });

  test('invariant 15: a freeze applied meanwhile counts', async () => {
    await hold(1);
    const frozen = await here.post('/v1/freezes', { scope: 'agent', value: 'mailer', reason: 'spec' }, here.personToken('acme'));
    expect(frozen.status).toBe(201);
    expect((await hold(1)).body['error']).toBe('BUDGET_FROZEN');
    expect(await counted('refuted')).toBe(1);
    expect((await here.post(`/v1/freezes/${frozen.body['freeze_id'] as string}/lift`, { reason: 'spec' }, here.personToken('acme'))).status).toBe(200);
    expect((await hold(1)).status).toBe(200);
  });

  test('invariant 16: what is claimed after a switch of policy names the new one', async () => {
    await hold(1);
    await here.publishPolicy('acme', BASE_POLICY, here.policyVersion + 1);
    const held = await hold(1);
    const [event] = (await here.events('ReservationHeld')).filter(({ subject }) => subject === idOf(held));
    expect(event?.data).toMatchObject({ policy_version: here.policyVersion });
  });

  test('invariant 21: a key that was answered is answered the same', async () => {
    const body = asked(1, { subject: { app }, ttl_ms: 600_000 });
    const first = await cycles.create(body);
    await hold(1);
    const again = await cycles.create(body);
    expect([again.status, idOf(again)]).toEqual([200, idOf(first)]);
    expect(await counted('refuted')).toBe(1);
  });

  test('invariant 8: a claim that another instance ended meanwhile has ended', async () => {
    const held = await hold(1);
    // What another instance would have written.
    await here.pool.query("UPDATE reservation SET version = version + 1, status = 'Released' WHERE reservation_id = $1", [idOf(held)]);
    expect((await cycles.settle(idOf(held), 'commit', { actual: { unit: UNIT, amount: 1 } })).body['error']).toBe('RESERVATION_FINALIZED');
    expect(await counted('refuted')).toBe(1);
  });

  test('a guess of the time that lies too far behind, or ahead, is refuted', async () => {
    const { clock } = (here.service.app.get(RuntimeAuthority) as unknown as { foresight: { clock: { offsetMs: number } } }).foresight;
    await hold(1);
    clock.offsetMs -= 10_000;
    expect((await hold(1)).status).toBe(200);
    expect(await counted('refuted')).toBe(1);
    await hold(1);
    await reset();
    clock.offsetMs += 10_000;
    expect((await hold(1)).status).toBe(200);
    expect(await counted('refuted')).toBe(1);
  });

  test('after a refutation some batches are read, more each time, before it is tried again', async () => {
    const refute = async (): Promise<void> => {
      await here.pool.query('UPDATE budget SET entry_no = entry_no + 1 WHERE budget_id = $1', [budgetId]);
      await hold(1);
    };
    await refute();
    expect(await counted('refuted')).toBe(1);
    await hold(1);
    await hold(1);
    expect(await counted('confirmed')).toBe(1);
    expect(await counted('refuted')).toBe(1);
  });
});
