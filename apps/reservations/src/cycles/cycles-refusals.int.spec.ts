import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { asked, CyclesClient, idOf, RESERVATIONS, UNIT } from '../spec/cycles-client.js';
import { Installation } from '../spec/installation.js';
import type { Answered } from '../spec/installation.js';

describe('refusals of the Cycles surface', () => {
  let here: Installation;
  let cycles: CyclesClient;
  beforeAll(async () => {
    here = await Installation.start();
    cycles = await CyclesClient.of(here);
  });
  afterAll(() => here.stop());

  const cases: readonly [string, number, string, () => Promise<Answered>][] = [
    ['no budget anywhere on the path', 404, 'NOT_FOUND', () => cycles.create({ ...asked(1), subject: { app: 'nowhere' } }, here.agentToken('globex'))],
    ['a budget, but in another unit', 400, 'UNIT_MISMATCH', () => cycles.create(asked(1, { estimate: { unit: 'TOKENS', amount: 1 } }))],
    ['more than a budget covers', 409, 'BUDGET_EXCEEDED', () => cycles.create(asked(100_000))],
    ['a subject without a standard field', 400, 'INVALID_REQUEST', () => cycles.create(asked(1, { subject: { dimensions: { run_id: 'x' } } }))],
    ['a delimiter in a scope name', 400, 'INVALID_REQUEST', () => cycles.create(asked(1, { subject: { agent: 'a/b' } }))],
    ['an unknown unit', 400, 'INVALID_REQUEST', () => cycles.create(asked(1, { estimate: { unit: 'EUROS', amount: 1 } }))],
    ['a negative amount', 400, 'INVALID_REQUEST', () => cycles.create(asked(-1))],
    ['a fraction', 400, 'INVALID_REQUEST', () => cycles.create(asked(1.5))],
    ['a ttl out of range', 400, 'INVALID_REQUEST', () => cycles.create(asked(1, { ttl_ms: 10 }))],
    ['a field the protocol has not', 400, 'INVALID_REQUEST', () => cycles.create(asked(1, { observe_mode: 'OBSERVE' }))],
    ['no key', 400, 'INVALID_REQUEST', () => cycles.create(asked(1, { idempotency_key: undefined }))],
    ['another tenant in the subject', 403, 'FORBIDDEN', () => cycles.create(asked(1, { subject: { tenant: 'globex' } }))],
    ['no credential', 401, 'UNAUTHORIZED', () => cycles.create(asked(1), 'nonsense')],
    ['a person, who holds nothing', 403, 'FORBIDDEN', () => cycles.create(asked(1), here.personToken('acme'))],
    ['a reservation that never was', 404, 'NOT_FOUND', () => cycles.settle(newId(), 'release', {})],
    ['an id that is none', 404, 'NOT_FOUND', () => cycles.settle('rsv_1', 'release', {})],
    ['balances without a subject', 400, 'INVALID_REQUEST', () => cycles.ask('GET', '/v1/balances', '/v1/balances', undefined, here.personToken('acme'))],
    ['balances for an agent', 403, 'FORBIDDEN', () => cycles.ask('GET', '/v1/balances?tenant=acme', '/v1/balances')],
    ['balances of another tenant', 403, 'FORBIDDEN', () => cycles.ask('GET', '/v1/balances?tenant=globex', '/v1/balances', undefined, here.personToken('acme'))],
    ['a window that ends before it begins', 400, 'INVALID_REQUEST', () => cycles.ask('GET', `${RESERVATIONS}?from=2026-02-01T00:00:00Z&to=2026-01-01T00:00:00Z`, RESERVATIONS)],
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
    const id = idOf(await cycles.create(asked(1)));
    for (const stranger of [here.agentToken('globex'), here.agentToken('acme', 'other')]) {
      expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 1 } }, stranger)).toMatchObject({ status: 404, body: { error: 'NOT_FOUND' } });
      expect(await cycles.one(id, stranger)).toMatchObject({ status: 404 });
    }
    await here.budget('1000');
    const execution = await here.reserve(here.grant());
    expect(execution.status).toBe(201);
    expect(await cycles.settle(idOf(execution), 'release', {})).toMatchObject({ status: 404 });
    await cycles.settle(id, 'release', {});
  });

  test('a commit in another unit, also of nothing, is UNIT_MISMATCH and leaves the reservation as it is', async () => {
    const id = idOf(await cycles.create(asked(4)));
    expect(await cycles.settle(id, 'commit', { actual: { unit: 'TOKENS', amount: 0 } })).toMatchObject({ status: 400, body: { error: 'UNIT_MISMATCH' } });
    expect(await cycles.settle(id, 'commit', { actual: { unit: UNIT, amount: 4 } })).toMatchObject({ status: 200, body: { charged: { amount: 4 } } });
  });

  test('frozen: nothing is held, decide says so', async () => {
    const freeze = await here.post('/v1/freezes', { scope: 'kind', value: 'llm.frozen', reason: 'spec' }, here.personToken('acme'));
    expect(freeze.status).toBe(201);
    const body = asked(1, { action: { kind: 'llm.frozen', name: 'x' } });
    expect(await cycles.create(body)).toMatchObject({ status: 409, body: { error: 'BUDGET_FROZEN', details: { deny_detail: { reason_code: 'BUDGET_FROZEN' } } } });
    expect(await cycles.ask('POST', '/v1/decide', '/v1/decide', body)).toMatchObject({ status: 200, body: { decision: 'DENY', reason_code: 'BUDGET_FROZEN' } });
  });
});
