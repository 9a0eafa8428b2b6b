import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { CYCLES_IS_HERE, CyclesProtocol } from '../spec/cycles-protocol.js';
import { FOLDED_BUDGETS, foldLog } from '../spec/fold-log.js';
import { Installation } from '../spec/installation.js';
import type { Answered } from '../spec/installation.js';

const UNIT = 'USD_MICROCENTS';
const RESERVATIONS = '/v1/reservations';

describe('the Cycles surface', () => {
  let here: Installation;
  const protocol = CYCLES_IS_HERE ? new CyclesProtocol() : undefined;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000', 'tenant:acme', UNIT);
    await here.budget('1000', 'tenant:acme/agent:bot', UNIT);
  });
  afterAll(() => here.stop());

  /** Every answer of this suite is held against the published OpenAPI. `operation` is its path there. */
  const ask = async (method: 'GET' | 'POST', path: string, operation: string, body?: object, credential = here.agentToken('acme'), headers: Record<string, string> = {}): Promise<Answered & { readonly headers: Headers }> => {
    const answer = await fetch(`${here.origin}/cycles${path}`, {
      method,
      headers: { 'x-cycles-api-key': credential, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const bytes = await answer.text();
    const parsed = JSON.parse(bytes) as Record<string, unknown>;
    expect({ path, status: answer.status, bytes, faults: protocol?.faultsOfAnswer(method, operation, answer.status, parsed) ?? [] }).toMatchObject({ faults: [] });
    expect(answer.headers.get('x-cycles-trace-id')).toMatch(/^[0-9a-f]{32}$/);
    expect(answer.headers.get('x-request-id')).not.toBeNull();
    if (answer.status >= 400) expect(parsed['trace_id']).toBe(answer.headers.get('x-cycles-trace-id'));
    return { status: answer.status, body: parsed, bytes, headers: answer.headers };
  };
  const asked = (amount: number, changes: object = {}): Record<string, unknown> => ({
    idempotency_key: newId(),
    subject: { tenant: 'acme', agent: 'bot', dimensions: { run_id: 'run-1' } },
    action: { kind: 'llm.completion', name: 'meta/llama 3', tags: ['prod'] },
    estimate: { unit: UNIT, amount },
    ...changes,
  });
  const create = (body: object, credential?: string, headers?: Record<string, string>) => ask('POST', RESERVATIONS, RESERVATIONS, body, credential, headers);
  const settle = (id: string, verb: 'commit' | 'release' | 'extend', body: object, credential?: string) => ask('POST', `${RESERVATIONS}/${id}/${verb}`, `${RESERVATIONS}/{reservation_id}/${verb}`, { idempotency_key: newId(), ...body }, credential);
  const one = (id: string, credential?: string) => ask('GET', `${RESERVATIONS}/${id}`, `${RESERVATIONS}/{reservation_id}`, undefined, credential);
  const idOf = ({ body }: Answered): string => body['reservation_id'] as string;
  const balanceOf = async (query: string): Promise<Record<string, { amount: number }>> => {
    const { body } = await ask('GET', `/v1/balances?${query}`, '/v1/balances', undefined, here.personToken('acme'));
    return (body['balances'] as Record<string, { amount: number }>[])[0] ?? {};
  };
  const figures = async (): Promise<readonly (number | undefined)[]> => {
    const { reserved, spent, remaining } = await balanceOf('agent=bot');
    return [reserved?.amount, spent?.amount, remaining?.amount];
  };

  test('reserve, extend, commit less than reserved: the rest comes back, on every budget of the path', async () => {
    const [reserved = 0, spent = 0, remaining = 0] = await figures();
    const created = await create(asked(100, { ttl_ms: 30_000 }));
    expect(created).toMatchObject({ status: 200, body: { decision: 'ALLOW', reserved: { unit: UNIT, amount: 100 }, scope_path: 'tenant:acme/agent:bot', affected_scopes: ['tenant:acme', 'tenant:acme/agent:bot'] } });
    expect(created.body['remaining_ttl_ms']).toBeGreaterThan(25_000);
    expect(created.body['remaining_ttl_ms']).toBeLessThanOrEqual(30_000);
    expect(await figures()).toEqual([reserved + 100, spent, remaining - 100]);
    const extended = await settle(idOf(created), 'extend', { extend_by_ms: 10_000 });
    expect(extended).toMatchObject({ status: 200, body: { status: 'ACTIVE', expires_at_ms: (created.body['expires_at_ms'] as number) + 10_000 } });
    expect(await one(idOf(created))).toMatchObject({ status: 200, body: { status: 'ACTIVE', expires_at_ms: extended.body['expires_at_ms'], action: { name: 'meta/llama 3', tags: ['prod'] }, subject: { dimensions: { run_id: 'run-1' } } } });
    expect(await settle(idOf(created), 'commit', { actual: { unit: UNIT, amount: 60 }, metrics: { tokens_input: 3 } })).toMatchObject({ status: 200, body: { status: 'COMMITTED', charged: { amount: 60 }, released: { amount: 40 } } });
    expect(await figures()).toEqual([reserved, spent + 60, remaining - 60]);
    expect(await one(idOf(created))).toMatchObject({ status: 200, body: { status: 'COMMITTED', committed: { unit: UNIT, amount: 60 }, finalized_at_ms: expect.any(Number) } });
  });

  test('release returns everything; each end is final', async () => {
    const before = await figures();
    const id = idOf(await create(asked(50)));
    expect(await settle(id, 'release', { reason: 'not needed after all' })).toMatchObject({ status: 200, body: { status: 'RELEASED', released: { unit: UNIT, amount: 50 } } });
    expect(await figures()).toEqual(before);
    for (const [verb, body] of [['commit', { actual: { unit: UNIT, amount: 1 } }], ['release', {}], ['extend', { extend_by_ms: 1_000 }]] as const) {
      expect(await settle(id, verb, body)).toMatchObject({ status: 409, body: { error: 'RESERVATION_FINALIZED' } });
    }
    const [released] = await here.events('ReservationReleased');
    expect(JSON.stringify(released)).not.toContain('not needed');
  });

  test('it is the one ledger: purpose budget_only, no grant, no token, no execution', async () => {
    const created = await create(asked(7));
    const held = (await here.events('ReservationHeld')).find(({ subject }) => subject === idOf(created));
    expect(held?.data).toMatchObject({ purpose: 'budget_only', agent: 'mailer', action_kind: 'llm.completion', overage_policy: 'allow_if_available', grace_ms: 5_000 });
    for (const field of ['grant_id', 'use_no', 'action_id', 'execution_id']) expect(held?.data).not.toHaveProperty(field);
    expect(created.bytes).not.toContain('authorization');
    expect(JSON.stringify(held)).not.toContain('llama');
    expect((await here.call('GET', `/v1/reservations/${idOf(created)}`, here.agentToken('acme'))).body).toMatchObject({ reservation_id: idOf(created), status: 'held' });
    await settle(idOf(created), 'release', {});
  });

  test('invariant 7: 200 clients on one hot budget hold exactly what it covers, many to a transaction', async () => {
    await here.budget('50', 'tenant:acme/app:hot', UNIT);
    const answers = await Promise.all(Array.from({ length: 200 }, () => create(asked(1, { subject: { app: 'hot' } }))));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(50);
    expect(answers.filter(({ status, body }) => status === 409 && body['error'] === 'BUDGET_EXCEEDED')).toHaveLength(150);
    expect((await balanceOf('app=hot'))['reserved']).toEqual({ unit: UNIT, amount: 50 });
    const { rows } = await here.pool.query<{ count: string }>("SELECT count(DISTINCT xid) FROM event WHERE type ~ 'Reservation(Held|Refused)' AND subject IN (SELECT reservation_id::text FROM reservation WHERE scope_path = 'tenant:acme/app:hot')");
    expect(Number(rows[0]?.count)).toBeLessThan(40);
  });

  describe('idempotency', () => {
    test('invariant 21: the same key gives the first answer, and the time that is left now', async () => {
      const body = asked(5, { ttl_ms: 20_000 });
      const first = await create(body);
      const events = await here.count("SELECT FROM event WHERE aggregate = 'reservation'");
      const again = await create(body);
      const { remaining_ttl_ms: leftThen, ...then } = first.body;
      const { remaining_ttl_ms: leftNow, ...now } = again.body;
      expect(now).toEqual(then);
      expect(leftNow as number).toBeLessThanOrEqual(leftThen as number);
      expect(leftNow as number).toBeGreaterThan(0);
      expect(await here.count("SELECT FROM event WHERE aggregate = 'reservation'")).toBe(events);
      const release = { idempotency_key: newId() };
      const released = await settle(idOf(first), 'release', release);
      expect((await settle(idOf(first), 'release', release)).bytes).toBe(released.bytes);
      expect((await create(body)).body['remaining_ttl_ms']).toBe(0);
    });

    test('invariant 21: the same key for something else is IDEMPOTENCY_MISMATCH, and a key is of its endpoint', async () => {
      const body = asked(1);
      const id = idOf(await create(body));
      expect(await create({ ...body, estimate: { unit: UNIT, amount: 2 } })).toMatchObject({ status: 409, body: { error: 'IDEMPOTENCY_MISMATCH' } });
      expect(await settle(id, 'commit', { idempotency_key: body['idempotency_key'], actual: { unit: UNIT, amount: 1 } })).toMatchObject({ status: 200 });
    });

    test('invariant 21: lost-response matrix: each write answered twice is done once, and says the same', async () => {
      const id = idOf(await create(asked(10)));
      const other = idOf(await create(asked(10)));
      const { estimate, ...rest } = asked(10);
      const fresh = (body: object = {}): object => ({ idempotency_key: newId(), ...body });
      const matrix: readonly (readonly [string, (body: object) => Promise<Answered>, object])[] = [
        ['create', (body) => create(body), asked(10)],
        ['extend', (body) => settle(id, 'extend', body), fresh({ extend_by_ms: 5_000 })],
        ['commit', (body) => settle(id, 'commit', body), fresh({ actual: { unit: UNIT, amount: 10 } })],
        ['release', (body) => settle(other, 'release', body), fresh()],
        ['decide', (body) => ask('POST', '/v1/decide', '/v1/decide', body), asked(10)],
        ['event', (body) => ask('POST', '/v1/events', '/v1/events', body), { ...rest, actual: estimate }],
      ];
      for (const [what, send, body] of matrix) {
        const first = await send(body);
        const after = [await figures(), await here.count("SELECT FROM event WHERE aggregate = 'reservation'")];
        // The reply got lost: the client sends the same bytes again.
        const again = await send(body);
        const withoutLead = ({ bytes }: Answered): string => bytes.replace(/,"remaining_ttl_ms":\d+}$/, '}');
        expect([what, withoutLead(again)]).toEqual([what, withoutLead(first)]);
        expect([what, await figures(), await here.count("SELECT FROM event WHERE aggregate = 'reservation'")]).toEqual([what, ...after]);
      }
    });

    test('header and body must name the same key', async () => {
      const body = asked(1);
      expect(await create(body, undefined, { 'x-idempotency-key': 'another' })).toMatchObject({ status: 400, body: { error: 'INVALID_REQUEST' } });
      const id = idOf(await create(body, undefined, { 'x-idempotency-key': body['idempotency_key'] as string }));
      await settle(id, 'release', {});
    });

    test('of twenty at once with one key one holds, and all hear of it', async () => {
      const before = await figures();
      const body = asked(3);
      const answers = await Promise.all(Array.from({ length: 20 }, () => create(body)));
      expect(new Set(answers.map(idOf)).size).toBe(1);
      expect(answers.every(({ status }) => status === 200)).toBe(true);
      await settle(idOf(answers[0] as Answered), 'release', {});
      expect(await figures()).toEqual(before);
    });

    test('a refusal is not kept: with the same key it works once there is room', async () => {
      const scope = 'tenant:acme/app:funded';
      const id = await here.budget('10', scope, UNIT);
      const body = asked(20, { subject: { app: 'funded' } });
      expect(await create(body)).toMatchObject({ status: 409, body: { error: 'BUDGET_EXCEEDED' } });
      await here.post(`/v1/budgets/${id}/adjust`, { cap: '100', reason: 'spec' }, here.personToken('acme'));
      expect(await create(body)).toMatchObject({ status: 200, body: { decision: 'ALLOW' } });
    });
  });

  describe('decide and dry runs', () => {
    const decide = (body: object) => ask('POST', '/v1/decide', '/v1/decide', body);
    test.each([
      ['decide', (body: Record<string, unknown>) => decide(body)],
      ['a dry run', (body: Record<string, unknown>) => create({ ...body, dry_run: true })],
    ])('%s says what a reserve would be answered, always with 200, and changes nothing', async (_, question) => {
      const before = [await figures(), await here.count("SELECT FROM event WHERE aggregate = 'reservation'"), await here.count('SELECT FROM reservation')];
      const allowed = await question(asked(10));
      expect(allowed).toMatchObject({ status: 200, body: { decision: 'ALLOW', affected_scopes: ['tenant:acme', 'tenant:acme/agent:bot'] } });
      expect(allowed.body).not.toHaveProperty('reservation_id');
      expect(await question(asked(10_000))).toMatchObject({ status: 200, body: { decision: 'DENY', reason_code: 'BUDGET_EXCEEDED', affected_scopes: ['tenant:acme', 'tenant:acme/agent:bot'] } });
      expect(await question(asked(1, { estimate: { unit: 'TOKENS', amount: 1 } }))).toMatchObject({ status: 200, body: { decision: 'DENY', reason_code: 'UNIT_MISMATCH' } });
      expect([await figures(), await here.count("SELECT FROM event WHERE aggregate = 'reservation'"), await here.count('SELECT FROM reservation')]).toEqual(before);
    });

    test('a decision is replayed under its key', async () => {
      const body = asked(1);
      const first = await decide(body);
      expect((await decide(body)).bytes).toBe(first.bytes);
    });
  });

  describe('refusals', () => {
    const cases: readonly [string, number, string, () => Promise<Answered>][] = [
      ['no budget anywhere on the path', 404, 'NOT_FOUND', () => create({ ...asked(1), subject: { app: 'nowhere' } }, here.agentToken('globex'))],
      ['a budget, but in another unit', 400, 'UNIT_MISMATCH', () => create(asked(1, { estimate: { unit: 'TOKENS', amount: 1 } }))],
      ['more than a budget covers', 409, 'BUDGET_EXCEEDED', () => create(asked(100_000))],
      ['a subject without a standard field', 400, 'INVALID_REQUEST', () => create(asked(1, { subject: { dimensions: { run_id: 'x' } } }))],
      ['a delimiter in a scope name', 400, 'INVALID_REQUEST', () => create(asked(1, { subject: { agent: 'a/b' } }))],
      ['an unknown unit', 400, 'INVALID_REQUEST', () => create(asked(1, { estimate: { unit: 'EUROS', amount: 1 } }))],
      ['a negative amount', 400, 'INVALID_REQUEST', () => create(asked(-1))],
      ['a fraction', 400, 'INVALID_REQUEST', () => create(asked(1.5))],
      ['a ttl out of range', 400, 'INVALID_REQUEST', () => create(asked(1, { ttl_ms: 10 }))],
      ['a field the protocol has not', 400, 'INVALID_REQUEST', () => create(asked(1, { observe_mode: 'OBSERVE' }))],
      ['no key', 400, 'INVALID_REQUEST', () => create(asked(1, { idempotency_key: undefined }))],
      ['another tenant in the subject', 403, 'FORBIDDEN', () => create(asked(1, { subject: { tenant: 'globex' } }))],
      ['no credential', 401, 'UNAUTHORIZED', () => create(asked(1), 'nonsense')],
      ['a person, who holds nothing', 403, 'FORBIDDEN', () => create(asked(1), here.personToken('acme'))],
      ['a reservation that never was', 404, 'NOT_FOUND', () => settle(newId(), 'release', {})],
      ['an id that is none', 404, 'NOT_FOUND', () => settle('rsv_1', 'release', {})],
      ['balances without a subject', 400, 'INVALID_REQUEST', () => ask('GET', '/v1/balances', '/v1/balances', undefined, here.personToken('acme'))],
      ['balances for an agent', 403, 'FORBIDDEN', () => ask('GET', '/v1/balances?tenant=acme', '/v1/balances')],
      ['balances of another tenant', 403, 'FORBIDDEN', () => ask('GET', '/v1/balances?tenant=globex', '/v1/balances', undefined, here.personToken('acme'))],
      ['a window that ends before it begins', 400, 'INVALID_REQUEST', () => ask('GET', `${RESERVATIONS}?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z`, RESERVATIONS)],
    ];
    test.each(cases)('%s: %i %s', async (_, status, error, question) => {
      expect(await question()).toMatchObject({ status, body: { error } });
    });

    test('what is no JSON, and no route', async () => {
      const malformed = await fetch(`${here.origin}/cycles${RESERVATIONS}`, { method: 'POST', headers: { 'content-type': 'application/json', 'x-cycles-api-key': here.agentToken('acme') }, body: '{"a":1,"a":2}' });
      expect({ status: malformed.status, ...((await malformed.json()) as object) }).toMatchObject({ status: 400, error: 'INVALID_REQUEST', trace_id: expect.stringMatching(/^[0-9a-f]{32}$/) });
      const nowhere = await fetch(`${here.origin}/cycles/v1/nothing`);
      expect({ status: nowhere.status, ...((await nowhere.json()) as object) }).toMatchObject({ status: 404, error: 'NOT_FOUND' });
    });

    test('invariant 18: a reservation of another tenant, or another agent, is not found; and an execution is none of these', async () => {
      const id = idOf(await create(asked(1)));
      for (const stranger of [here.agentToken('globex'), here.agentToken('acme', 'other')]) {
        expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 1 } }, stranger)).toMatchObject({ status: 404, body: { error: 'NOT_FOUND' } });
        expect(await one(id, stranger)).toMatchObject({ status: 404 });
      }
      await here.budget('1000');
      const execution = await here.reserve(here.grant());
      expect(execution.status).toBe(201);
      expect(await settle(idOf(execution), 'release', {})).toMatchObject({ status: 404 });
      await settle(id, 'release', {});
    });

    test('a commit in another unit, also of nothing, is UNIT_MISMATCH and leaves the reservation as it is', async () => {
      const id = idOf(await create(asked(4)));
      expect(await settle(id, 'commit', { actual: { unit: 'TOKENS', amount: 0 } })).toMatchObject({ status: 400, body: { error: 'UNIT_MISMATCH' } });
      expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 4 } })).toMatchObject({ status: 200, body: { charged: { amount: 4 } } });
    });

    test('frozen: nothing is held, decide says so', async () => {
      const freeze = await here.post('/v1/freezes', { scope: 'kind', value: 'llm.frozen', reason: 'spec' }, here.personToken('acme'));
      expect(freeze.status).toBe(201);
      const body = asked(1, { action: { kind: 'llm.frozen', name: 'x' } });
      expect(await create(body)).toMatchObject({ status: 409, body: { error: 'BUDGET_FROZEN', details: { deny_detail: { reason_code: 'BUDGET_FROZEN' } } } });
      expect(await ask('POST', '/v1/decide', '/v1/decide', body)).toMatchObject({ status: 200, body: { decision: 'DENY', reason_code: 'BUDGET_FROZEN' } });
    });
  });

  describe('more used than reserved', () => {
    test('REJECT: 409, and the reservation can still be committed', async () => {
      const id = idOf(await create(asked(10, { overage_policy: 'REJECT' })));
      expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 11 } })).toMatchObject({ status: 409, body: { error: 'BUDGET_EXCEEDED' } });
      expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 10 } })).toMatchObject({ status: 200 });
    });

    test('ALLOW_IF_AVAILABLE, the default: all of it where every budget covers it, with an event that says so', async () => {
      const [, spent = 0] = await figures();
      const id = idOf(await create(asked(10)));
      expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 25 } })).toMatchObject({ status: 200, body: { charged: { amount: 25 } } });
      expect((await figures())[1]).toBe(spent + 25);
      expect((await here.events('OverageAuthorised')).map(({ subject }) => subject)).toContain(id);
    });

    test('ALLOW_IF_AVAILABLE: as much as is there', async () => {
      await here.budget('30', 'tenant:acme/app:small', UNIT);
      const id = idOf(await create(asked(10, { subject: { app: 'small' } })));
      expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 50 } })).toMatchObject({ status: 200, body: { charged: { amount: 30 } } });
    });
  });

  describe('events', () => {
    const event = (body: object) => ask('POST', '/v1/events', '/v1/events', body);
    const used = (amount: number, changes: object = {}): Record<string, unknown> => {
      const { estimate, ...rest } = asked(amount, changes);
      return { ...rest, actual: estimate };
    };
    test('usage that was not reserved is charged on every budget of the path, once', async () => {
      const [reserved, spent = 0] = await figures();
      const body = used(9);
      const first = await event(body);
      expect(first).toMatchObject({ status: 201, body: { status: 'APPLIED', charged: { unit: UNIT, amount: 9 } } });
      expect((await event(body)).bytes).toBe(first.bytes);
      expect((await figures()).slice(0, 2)).toEqual([reserved, spent + 9]);
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
      expect(await balanceOf('app=metered')).toMatchObject({ reserved: { amount: 0 }, spent: { amount: 30 }, remaining: { amount: 0 } });
    });
    test('more than there is: REJECT is refused, and nothing is charged', async () => {
      const before = await figures();
      expect(await event(used(100_000, { overage_policy: 'REJECT' }))).toMatchObject({ status: 409, body: { error: 'BUDGET_EXCEEDED' } });
      expect(await figures()).toEqual(before);
    });
  });

  describe('expiry', () => {
    const past = async (id: string, ms: number): Promise<void> => {
      await here.pool.query("UPDATE reservation SET expires_at = clock_timestamp() - make_interval(secs => $2) WHERE reservation_id = $1", [id, ms / 1_000]);
    };
    test('within the grace a commit still finds the hold, an extension does not', async () => {
      const id = idOf(await create(asked(2, { grace_period_ms: 60_000 })));
      await past(id, 1_000);
      expect(await settle(id, 'extend', { extend_by_ms: 1_000 })).toMatchObject({ status: 410, body: { error: 'RESERVATION_EXPIRED' } });
      expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 2 } })).toMatchObject({ status: 200 });
    });
    test('after it nothing does; the sweep gives everything back, and the list still shows it', async () => {
      const before = await figures();
      const id = idOf(await create(asked(2, { grace_period_ms: 0 })));
      await past(id, 1);
      expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 2 } })).toMatchObject({ status: 410, body: { error: 'RESERVATION_EXPIRED' } });
      await past(id, 60_000);
      await here.until('the sweep', async () => (await here.count("SELECT FROM reservation WHERE reservation_id = $1 AND status = 'Expired'", [id])) === 1);
      expect(await figures()).toEqual(before);
      expect(await one(id)).toMatchObject({ status: 410, body: { error: 'RESERVATION_EXPIRED' } });
      for (const [verb, body] of [['commit', { actual: { unit: UNIT, amount: 1 } }], ['release', {}], ['extend', { extend_by_ms: 1_000 }]] as const) expect(await settle(id, verb, body)).toMatchObject({ status: 410, body: { error: 'RESERVATION_EXPIRED' } });
      const { body } = await ask('GET', `${RESERVATIONS}?status=EXPIRED`, RESERVATIONS);
      expect((body['reservations'] as { reservation_id: string }[]).map(({ reservation_id }) => reservation_id)).toContain(id);
    });
  });

  describe('lists', () => {
    const list = async (query: string, credential?: string): Promise<{ ids: readonly string[]; body: Record<string, unknown> }> => {
      const { status, body } = await ask('GET', `${RESERVATIONS}?${query}`, RESERVATIONS, undefined, credential);
      expect(status).toBe(200);
      return { ids: (body['reservations'] as { reservation_id: string }[]).map(({ reservation_id }) => reservation_id), body };
    };
    test('by key, place, status and time; pages; metadata only when asked for', async () => {
      await here.budget('1000', 'tenant:acme/app:listed', UNIT);
      const bodies = Array.from({ length: 3 }, (_, index) => asked(1, { subject: { app: 'listed', workflow: `w${index}` }, metadata: { n: index } }));
      const ids: string[] = [];
      for (const body of bodies) ids.push(idOf(await create(body)));
      expect((await list('app=listed')).ids).toEqual([...ids].reverse());
      expect((await list('app=listed&workflow=w1')).ids).toEqual([ids[1]]);
      expect((await list(`idempotency_key=${String(bodies[2]?.['idempotency_key'])}`)).ids).toEqual([ids[2]]);
      expect((await list('app=listed&sort_by=created_at_ms&sort_dir=asc')).ids).toEqual(ids);
      await settle(ids[0] as string, 'commit', { actual: { unit: UNIT, amount: 1 } });
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
      const { body } = await ask('GET', '/v1/balances?tenant=acme&include_children=true&limit=200', '/v1/balances', undefined, here.personToken('acme'));
      const balances = body['balances'] as { scope_path: string }[];
      expect(balances.length).toBeGreaterThan(2);
      expect((await balanceOf('tenant=acme'))['allocated']).toEqual({ unit: UNIT, amount: 1_000_000 });
    });
  });

  test('a balance says what is owed, and that the limit was passed', async () => {
    const scope = 'tenant:acme/app:owing';
    const set = { scope_path: scope, unit: UNIT, cap: '10', overage_policy: 'allow_with_overdraft', overdraft_limit: '20' };
    expect((await here.post('/v1/budgets', set, here.personToken('acme'))).status).toBe(201);
    const id = idOf(await create(asked(8, { subject: { app: 'owing' }, overage_policy: 'ALLOW_WITH_OVERDRAFT' })));
    expect(await settle(id, 'commit', { actual: { unit: UNIT, amount: 15 } })).toMatchObject({ status: 200 });
    const amounts = (figures: Record<string, number>) => Object.fromEntries(Object.entries(figures).map(([name, amount]) => [name, { unit: UNIT, amount }]));
    expect(await balanceOf('app=owing')).toMatchObject({ ...amounts({ allocated: 10, spent: 8, reserved: 0, debt: 7, remaining: -5, overdraft_limit: 20 }), is_over_limit: false });
    expect(await create(asked(1, { subject: { app: 'owing' } }))).toMatchObject({ status: 409, body: { error: 'DEBT_OUTSTANDING' } });
  });

  test('a freeze quiesces over standing holds on budget: they start nothing', async () => {
    const id = idOf(await create(asked(1, { action: { kind: 'llm.held', name: 'x' } })));
    const freeze = await here.post('/v1/freezes', { scope: 'kind', value: 'llm.held', reason: 'spec' }, here.personToken('acme'));
    await here.until('quiesced', async () => (await here.count("SELECT FROM scope_freeze WHERE freeze_id = $1 AND status = 'Quiesced'", [freeze.body['freeze_id']])) === 1);
    expect(await settle(id, 'release', {})).toMatchObject({ status: 200 });
  });

  test('invariant 22: rows folded from the log alone are the rows', async () => {
    const { rows: log } = await here.pool.query<{ bytes: Buffer }>('SELECT bytes FROM event ORDER BY xid, position');
    const folded = foldLog(log.map(({ bytes }) => bytes));
    const moved = await here.pool.query<{ reservation_id: string; status: string; version: number }>('SELECT reservation_id, status, version FROM reservation ORDER BY reservation_id');
    expect(folded.reservations.map(({ reservation_id, status, version }) => ({ reservation_id, status, version }))).toEqual(moved.rows);
    expect(folded.budgets).toEqual((await here.pool.query(FOLDED_BUDGETS)).rows);
  });

  test('the trace of the caller comes back: traceparent first, then the protocol’s own header', async () => {
    const [own, parent] = ['1'.repeat(32), '2'.repeat(32)];
    const read = async (headers: Record<string, string>): Promise<string | null> => (await ask('GET', RESERVATIONS, RESERVATIONS, undefined, undefined, headers)).headers.get('x-cycles-trace-id');
    expect(await read({ 'x-cycles-trace-id': own })).toBe(own);
    expect(await read({ 'x-cycles-trace-id': own, traceparent: `00-${parent}-${'3'.repeat(16)}-01` })).toBe(parent);
  });
});
