import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { asked, CyclesClient, idOf, UNIT } from '../spec/cycles-client.js';
import { Installation } from '../spec/installation.js';
import type { Answered } from '../spec/installation.js';

describe('idempotency of the Cycles surface', () => {
  let here: Installation;
  let cycles: CyclesClient;
  beforeAll(async () => {
    here = await Installation.start();
    cycles = await CyclesClient.of(here);
  });
  afterAll(() => here.stop());

  test('invariant 21: the same key gives the first answer, and the time that is left now', async () => {
    const body = asked(5, { ttl_ms: 300_000 });
    const first = await cycles.create(body);
    const events = await here.count("SELECT FROM event WHERE aggregate = 'reservation'");
    const again = await cycles.create(body);
    const { remaining_ttl_ms: leftThen, ...then } = first.body;
    const { remaining_ttl_ms: leftNow, ...now } = again.body;
    expect(now).toEqual(then);
    expect(leftNow as number).toBeLessThanOrEqual(leftThen as number);
    expect(leftNow as number).toBeGreaterThan(0);
    expect(await here.count("SELECT FROM event WHERE aggregate = 'reservation'")).toBe(events);
    const release = { idempotency_key: newId() };
    const released = await cycles.settle(idOf(first), 'release', release);
    expect((await cycles.settle(idOf(first), 'release', release)).bytes).toBe(released.bytes);
    expect((await cycles.create(body)).body['remaining_ttl_ms']).toBe(0);
  });

  test('invariant 21: the same key for something else is IDEMPOTENCY_MISMATCH, and a key is of its endpoint', async () => {
    const body = asked(1);
    const id = idOf(await cycles.create(body));
    expect(await cycles.create({ ...body, estimate: { unit: UNIT, amount: 2 } })).toMatchObject({ status: 409, body: { error: 'IDEMPOTENCY_MISMATCH' } });
    expect(await cycles.settle(id, 'commit', { idempotency_key: body['idempotency_key'], actual: { unit: UNIT, amount: 1 } })).toMatchObject({ status: 200 });
  });

  test('invariant 21: lost-response matrix: each write answered twice is done once, and says the same', async () => {
    const id = idOf(await cycles.create(asked(10)));
    const other = idOf(await cycles.create(asked(10)));
    const { estimate, ...rest } = asked(10);
    const fresh = (body: object = {}): object => ({ idempotency_key: newId(), ...body });
    const matrix: readonly (readonly [string, (body: object) => Promise<Answered>, object])[] = [
      ['create', (body) => cycles.create(body), asked(10)],
      ['extend', (body) => cycles.settle(id, 'extend', body), fresh({ extend_by_ms: 5_000 })],
      ['commit', (body) => cycles.settle(id, 'commit', body), fresh({ actual: { unit: UNIT, amount: 10 } })],
      ['release', (body) => cycles.settle(other, 'release', body), fresh()],
      ['decide', (body) => cycles.ask('POST', '/v1/decide', '/v1/decide', body), asked(10)],
      ['event', (body) => cycles.ask('POST', '/v1/events', '/v1/events', body), { ...rest, actual: estimate }],
    ];
    for (const [what, send, body] of matrix) {
      const first = await send(body);
      const after = [await cycles.figures(), await here.count("SELECT FROM event WHERE aggregate = 'reservation'")];
      // The reply got lost: the client sends the same bytes again.
      const again = await send(body);
      const withoutLead = ({ bytes }: Answered): string => bytes.replace(/,"remaining_ttl_ms":\d+}$/, '}');
      expect([what, withoutLead(again)]).toEqual([what, withoutLead(first)]);
      expect([what, await cycles.figures(), await here.count("SELECT FROM event WHERE aggregate = 'reservation'")]).toEqual([what, ...after]);
    }
  });

  test('header and body must name the same key', async () => {
    const body = asked(1);
    expect(await cycles.create(body, undefined, { 'x-idempotency-key': 'another' })).toMatchObject({ status: 400, body: { error: 'INVALID_REQUEST' } });
    const id = idOf(await cycles.create(body, undefined, { 'x-idempotency-key': body['idempotency_key'] as string }));
    await cycles.settle(id, 'release', {});
  });

  test('of twenty at once with one key one holds, and all hear of it', async () => {
    const before = await cycles.figures();
    const body = asked(3);
    const answers = await Promise.all(Array.from({ length: 20 }, () => cycles.create(body)));
    expect(new Set(answers.map(idOf)).size).toBe(1);
    expect(answers.every(({ status }) => status === 200)).toBe(true);
    await cycles.settle(idOf(answers[0] as Answered), 'release', {});
    expect(await cycles.figures()).toEqual(before);
  });

  test('a refusal is not kept: with the same key it works once there is room', async () => {
    const scope = 'tenant:acme/app:funded';
    const id = await here.budget('10', scope, UNIT);
    const body = asked(20, { subject: { app: 'funded' } });
    expect(await cycles.create(body)).toMatchObject({ status: 409, body: { error: 'BUDGET_EXCEEDED' } });
    await here.post(`/v1/budgets/${id}/adjust`, { cap: '100', reason: 'spec' }, here.personToken('acme'));
    expect(await cycles.create(body)).toMatchObject({ status: 200, body: { decision: 'ALLOW' } });
  });
});
