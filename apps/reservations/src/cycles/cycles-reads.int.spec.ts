import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { asked, CyclesClient, idOf, RESERVATIONS, UNIT } from '../spec/cycles-client.js';
import { Installation } from '../spec/installation.js';

describe('decide, dry runs, lists and balances of the Cycles surface', () => {
  let here: Installation;
  let cycles: CyclesClient;
  beforeAll(async () => {
    here = await Installation.start();
    cycles = await CyclesClient.of(here);
  });
  afterAll(() => here.stop());

  describe('decide and dry runs', () => {
    const decide = (body: object) => cycles.ask('POST', '/v1/decide', '/v1/decide', body);
    test.each([
      ['decide', (body: Record<string, unknown>) => decide(body)],
      ['a dry run', (body: Record<string, unknown>) => cycles.create({ ...body, dry_run: true })],
    ])('%s says what a reserve would be answered, always with 200, and changes nothing', async (_, question) => {
      const before = [await cycles.figures(), await here.count("SELECT FROM event WHERE aggregate = 'reservation'"), await here.count('SELECT FROM reservation')];
      const allowed = await question(asked(10));
      expect(allowed).toMatchObject({ status: 200, body: { decision: 'ALLOW', affected_scopes: ['tenant:acme', 'tenant:acme/agent:bot'] } });
      expect(allowed.body).not.toHaveProperty('reservation_id');
      expect(await question(asked(10_000))).toMatchObject({ status: 200, body: { decision: 'DENY', reason_code: 'BUDGET_EXCEEDED', affected_scopes: ['tenant:acme', 'tenant:acme/agent:bot'] } });
      expect(await question(asked(1, { estimate: { unit: 'TOKENS', amount: 1 } }))).toMatchObject({ status: 200, body: { decision: 'DENY', reason_code: 'UNIT_MISMATCH' } });
      expect([await cycles.figures(), await here.count("SELECT FROM event WHERE aggregate = 'reservation'"), await here.count('SELECT FROM reservation')]).toEqual(before);
    });

    test('a decision is replayed under its key', async () => {
      const body = asked(1);
      const first = await decide(body);
      expect((await decide(body)).bytes).toBe(first.bytes);
    });
  });

  describe('lists', () => {
    const list = async (query: string, credential?: string): Promise<{ ids: readonly string[]; body: Record<string, unknown> }> => {
      const { status, body } = await cycles.ask('GET', `${RESERVATIONS}?${query}`, RESERVATIONS, undefined, credential);
      expect(status).toBe(200);
      return { ids: (body['reservations'] as { reservation_id: string }[]).map(({ reservation_id }) => reservation_id), body };
    };
    test('by key, place, status and time; pages; metadata only when asked for', async () => {
      await here.budget('1000', 'tenant:acme/app:listed', UNIT);
      const bodies = Array.from({ length: 3 }, (_, index) => asked(1, { subject: { app: 'listed', workflow: `w${index}` }, metadata: { n: index } }));
      const ids: string[] = [];
      for (const body of bodies) ids.push(idOf(await cycles.create(body)));
      expect((await list('app=listed')).ids).toEqual([...ids].reverse());
      expect((await list('app=listed&workflow=w1')).ids).toEqual([ids[1]]);
      expect((await list(`idempotency_key=${String(bodies[2]?.['idempotency_key'])}`)).ids).toEqual([ids[2]]);
      expect((await list('app=listed&sort_by=created_at_ms&sort_dir=asc')).ids).toEqual(ids);
      await cycles.settle(ids[0] as string, 'commit', { actual: { unit: UNIT, amount: 1 } });
      expect((await list('app=listed&status=COMMITTED')).ids).toEqual([ids[0]]);
      expect((await list('app=listed&finalized_from=2026-01-01T00:00:00Z')).ids).toEqual([ids[0]]);
      expect((await list('app=listed&from=&finalized_to=')).ids).toHaveLength(3);
      expect((await list('app=listed&to=2020-01-01T00:00:00Z')).ids).toEqual([]);
      const first = await list('app=listed&limit=2&include=metadata,%20,nonsense');
      expect(first.body).toMatchObject({ has_more: true, reservations: [{ metadata: { n: 2 } }, { metadata: { n: 1 } }] });
      const second = await list(`app=listed&limit=2&cursor=${String(first.body['next_cursor'])}`);
      expect(second.ids).toEqual([ids[0]]);
      expect(second.body).toMatchObject({ has_more: false });
      expect((second.body['reservations'] as object[])[0]).not.toHaveProperty('metadata');
      expect((await list('app=listed', here.personToken('acme'))).ids).toHaveLength(3);
      expect((await list('', here.personToken('globex'))).ids).toEqual([]);
    });

    test('balances of a place, and of what is below it', async () => {
      const { body } = await cycles.ask('GET', '/v1/balances?tenant=acme&include_children=true&limit=200', '/v1/balances', undefined, here.personToken('acme'));
      const balances = body['balances'] as { scope_path: string }[];
      expect(balances.length).toBeGreaterThan(2);
      expect((await cycles.balanceOf('tenant=acme'))['allocated']).toEqual({ unit: UNIT, amount: 1_000_000 });
    });
  });

  test('the trace of the caller comes back: traceparent first, then the protocol’s own header', async () => {
    const [own, parent] = ['1'.repeat(32), '2'.repeat(32)];
    const read = async (headers: Record<string, string>): Promise<string | null> => (await cycles.ask('GET', RESERVATIONS, RESERVATIONS, undefined, undefined, headers)).headers.get('x-cycles-trace-id');
    expect(await read({ 'x-cycles-trace-id': own })).toBe(own);
    expect(await read({ 'x-cycles-trace-id': own, traceparent: `00-${parent}-${'3'.repeat(16)}-01` })).toBe(parent);
  });
});
