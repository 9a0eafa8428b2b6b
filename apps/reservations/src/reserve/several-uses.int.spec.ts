import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Authorization, Grant } from '@exequatur/contracts';
import { AUTHORIZATION_JWS_TYPE } from '@exequatur/contracts';
import { canonicalBytes, fromInstant, newSalt, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { fixedHashOf } from '@exequatur/reservations-domain';
import { Installation } from '../spec/installation.js';

describe('grants of several uses', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000000');
    await here.budget('100000000000', 'tenant:acme', 'USD_MICROCENTS');
    await here.budget('1000000', 'tenant:acme', 'TOKENS');
  });
  afterAll(() => here.stop());

  const use = (grant: Grant, useNo: number) => here.reserve(grant, { use_no: useNo });
  const end = (id: unknown, path: string, body: object = {}) => here.post(`/v1/reservations/${String(id)}/${path}`, body);

  describe('totals', () => {
    test('invariant 10: twelve uses at once claim no more than the total, released ones included', async () => {
      const grant = here.grant({ max_uses: 12, amounts: [{ unit: 'USD_MICROCENTS', amount: '30' }], total_amounts: [{ unit: 'USD_MICROCENTS', amount: '100' }] });
      const answers = await Promise.all(Array.from({ length: 12 }, (_, index) => use(grant, index + 1)));
      const held = answers.filter(({ status }) => status === 201);
      expect(held).toHaveLength(3);
      expect(answers.filter(({ status, body }) => status === 409 && body['code'] === 'GRANT_EXHAUSTED')).toHaveLength(9);
      for (const { body } of held) expect((await end(body['reservation_id'], 'release')).status).toBe(200);
      const refused = answers.findIndex(({ status }) => status === 409);
      expect((await use(grant, refused + 1)).body['code']).toBe('GRANT_EXHAUSTED');
      const { rows } = await here.pool.query<{ claimed: unknown }>('SELECT claimed FROM grant_row WHERE grant_id = $1', [grant.grant_id]);
      expect(rows).toEqual([{ claimed: { RISK_POINTS: '3', USD_MICROCENTS: '90' } }]);
      expect((await here.call('GET', `/v1/grants/${grant.grant_id}`, here.agentToken('acme'))).body).toMatchObject({ uses: 3, claimed: [{ unit: 'RISK_POINTS', amount: '3' }, { unit: 'USD_MICROCENTS', amount: '90' }], total_amounts: [{ unit: 'USD_MICROCENTS', amount: '100' }] });
    });

    test('points across uses: POINTS_EXCEEDED', async () => {
      const grant = here.grant({ max_uses: 3, risk_points: 5, total_points: 9 });
      expect((await use(grant, 1)).status).toBe(201);
      expect(await use(grant, 2)).toMatchObject({ status: 403, body: { code: 'POINTS_EXCEEDED' } });
    });
  });

  describe('bounded', () => {
    const bounds = [
      { pointer: '/amount', unit: 'USD', max: '500000000' },
      { pointer: '/to', one_of: ['ann@example.com', 'bob@example.com'] },
    ];
    const salt = newSalt();
    const granted = { order: 7, amount: '5.00', to: 'ann@example.com' };
    const bounded = (): Grant =>
      here.grant({ binding: 'bounded', bounded: bounds, fixed_hash: fixedHashOf(salt, granted, bounds), arguments_hash: saltedHash(salt, canonicalBytes(granted)), granted_arguments_hash: saltedHash(salt, canonicalBytes(granted)), max_uses: 9, amounts: [{ unit: 'USD_MICROCENTS', amount: '500000000' }], total_amounts: [{ unit: 'USD_MICROCENTS', amount: '700000000' }] });
    const asking = (grant: Grant, useNo: number, args: JsonValue, changes: { salt?: string; arguments_hash?: string } = {}) =>
      here.reserve(grant, { use_no: useNo, arguments: args, salt: salt.toString('base64url'), arguments_hash: saltedHash(salt, canonicalBytes(args)), ...changes });

    test('each use has its own hash and holds what it asks for; the values stand in no event', async () => {
      const grant = bounded();
      const args = { order: 7, amount: '3.25', to: 'bob@example.com' };
      const held = await asking(grant, 1, args);
      expect(held).toMatchObject({ status: 201, body: { holds: expect.arrayContaining([{ unit: 'USD_MICROCENTS', amount: '325000000' }]) as unknown } });
      const claim = (await here.events('ReservationHeld')).at(-1)?.data;
      expect(claim).toMatchObject({ granted_arguments_hash: saltedHash(salt, canonicalBytes(args)), fixed_hash: grant.fixed_hash });
      expect(JSON.stringify(claim)).not.toContain('bob@');
      expect((await asking(grant, 2, { ...args, amount: '4.00' })).body['code']).toBe('GRANT_EXHAUSTED');
      expect((await asking(grant, 3, { ...args, amount: '3.75' })).status).toBe(201);
    });

    test.each<[string, string, (grant: Grant) => ReturnType<typeof asking>]>([
      ['another fixed part', 'ARGUMENTS_MISMATCH', (grant) => asking(grant, 1, { ...granted, order: 8 })],
      ['another salt', 'ARGUMENTS_MISMATCH', (grant) => asking(grant, 1, granted, { salt: newSalt().toString('base64url') })],
      ['a hash of something else', 'ARGUMENTS_MISMATCH', (grant) => asking(grant, 1, granted, { arguments_hash: saltedHash(salt, canonicalBytes({})) })],
      ['no arguments', 'ARGUMENTS_MISMATCH', (grant) => here.reserve(grant)],
      ['more than granted', 'CAP_EXCEEDED', (grant) => asking(grant, 1, { ...granted, amount: '5.01' })],
      ['somebody else', 'CAP_EXCEEDED', (grant) => asking(grant, 1, { ...granted, to: 'eve@example.com' })],
    ])('%s: %s', async (_, code, ask) => {
      expect((await ask(bounded())).body['code']).toBe(code);
    });
  });

  describe('commit', () => {
    test('invariant 8: usage in several units and what ran are compared with what was approved; a second commit with the key replays', async () => {
      const held = await here.reserve(here.grant({ amounts: [{ unit: 'USD_MICROCENTS', amount: '100' }] }), { amounts: [{ unit: 'TOKENS', amount: '50' }] });
      const id = held.body['reservation_id'];
      const hash = `sha256:${'0'.repeat(64)}`;
      const body = { actual: [{ unit: 'TOKENS', amount: '20' }, { unit: 'USD_MICROCENTS', amount: '60' }], provider_request_id: 'p-1', executed_arguments_hash: hash };
      const first = await here.post(`/v1/reservations/${String(id)}/commit`, body, undefined, 'several-units');
      expect(first.status).toBe(200);
      expect((await here.post(`/v1/reservations/${String(id)}/commit`, body, undefined, 'several-units')).bytes).toBe(first.bytes);
      expect((await end(id, 'commit', body)).body['code']).toBe('RESERVATION_FINALIZED');
      expect((await here.events('ReservationCommitted')).at(-1)?.data).toMatchObject({
        provider_request_id: 'p-1',
        comparison: { arguments: 'different', amounts: expect.arrayContaining([{ unit: 'TOKENS', reserved: '50', actual: '20' }, { unit: 'USD_MICROCENTS', reserved: '100', actual: '60' }]) as unknown },
      });
      const { rows } = await here.pool.query("SELECT unit, held FROM budget WHERE unit = 'TOKENS'");
      expect(rows).toEqual([{ unit: 'TOKENS', held: '0' }]);
    });

    test('a unit that was not held is refused', async () => {
      const held = await here.reserve(here.grant());
      expect(await end(held.body['reservation_id'], 'commit', { actual: [{ unit: 'TOKENS', amount: '1' }] })).toMatchObject({ status: 409, body: { code: 'COMMIT_EXCEEDS_RESERVED' } });
    });
  });

  test('a hold stands 1 s to 15 min from now, and 24 h at most however often it is extended', async () => {
    const lasting = async (ttl_ms: number): Promise<number> => {
      const { body } = await here.reserve(here.grant(), { ttl_ms });
      const { rows } = await here.pool.query<{ held_at: Date; expires_at: Date }>('SELECT held_at, expires_at FROM reservation WHERE reservation_id = $1', [body['reservation_id']]);
      return (rows[0]?.expires_at.getTime() ?? 0) - (rows[0]?.held_at.getTime() ?? 0);
    };
    // Never shorter than the time in which the action may still start.
    expect(await lasting(0)).toBe(10_000);
    expect(await lasting(86_400_000)).toBe(900_000);
    const { body } = await here.reserve(here.grant());
    const id = body['reservation_id'];
    const until = async (): Promise<number> => fromInstant((await here.call('GET', `/v1/reservations/${String(id)}`, here.agentToken('acme'))).body['expires_at'] as string);
    const first = await until();
    expect((await end(id, 'extend', { by_ms: 86_400_000 })).status).toBe(200);
    expect((await until()) - first).toBeLessThanOrEqual(900_000);
    // At another time than an instance may remember, so that the claim is read.
    await here.pool.query("UPDATE reservation SET held_at = held_at - interval '24 hours', expires_at = expires_at + interval '1 second' WHERE reservation_id = $1", [id]);
    const bound = await until();
    expect((await end(id, 'extend', { by_ms: 60_000 })).status).toBe(200);
    expect(await until()).toBe(bound);
  });

  test('the authorization is for one tool, its arguments and caps, and seconds long; it stands in no event and has no salt', async () => {
    const grant = here.grant({ caps: { environments: ['production'], max_runtime_sec: 9 }, facts: { ...here.grant().facts, environment: 'production' } });
    const { body } = await here.reserve(grant);
    const token = body['authorization'] as string;
    const claims = (await here.signer('executor').verifyJws(token, { service: 'reservations', typ: AUTHORIZATION_JWS_TYPE, judgeTime: false })) as unknown as Authorization;
    expect(claims).toEqual({
      reservation_id: body['reservation_id'],
      grant_id: grant.grant_id,
      action_id: grant.action_id,
      use_no: 1,
      tenant: 'acme',
      tool: grant.tool,
      aud: 'mailer.send',
      granted_arguments_hash: grant.granted_arguments_hash,
      caps: body['caps'],
      execute_by: body['execute_by'],
      iat: expect.any(Number),
      exp: Math.ceil(fromInstant(body['execute_by'] as string) / 1_000),
    });
    expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBeLessThanOrEqual(11);
    const { rows } = await here.pool.query<{ bytes: Buffer }>('SELECT bytes FROM event');
    expect(rows.some(({ bytes }) => bytes.includes(token.split('.')[2] ?? ''))).toBe(false);
  });
});
