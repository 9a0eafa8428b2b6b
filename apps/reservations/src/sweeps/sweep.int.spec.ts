import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Installation } from '../spec/installation.js';

describe('silence', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000');
  });
  afterAll(() => here.stop());

  const overdue = (id: string) => here.pool.query("UPDATE reservation SET expires_at = clock_timestamp() - interval '1 hour' WHERE reservation_id = $1", [id]);
  const statusOf = (id: string) => here.pool.query<{ status: string }>('SELECT status FROM reservation WHERE reservation_id = $1', [id]).then(({ rows }) => rows[0]?.status);
  const held = async (onSilence: 'expire' | 'unknown'): Promise<string> => (await here.reserve(here.grant({ on_silence: onSilence, risk_points: 3 }))).body['reservation_id'] as string;
  const balance = async () => (await here.pool.query<{ held: string }>("SELECT held FROM budget WHERE tenant = 'acme'")).rows[0]?.held;

  test('invariant 8: past TTL and grace a self hold expires where its class says so, else it is unknown; only unknown still holds', async () => {
    const [harmless, serious, fresh] = [await held('expire'), await held('unknown'), await held('expire')];
    await overdue(harmless);
    await overdue(serious);
    await here.until('swept', async () => (await statusOf(harmless)) === 'Expired' && (await statusOf(serious)) === 'Unknown');
    expect(await statusOf(fresh)).toBe('Held');
    expect(await balance()).toBe('6');
    expect(await here.post(`/v1/reservations/${harmless}/commit`, {})).toMatchObject({ status: 409, body: { code: 'RESERVATION_FINALIZED' } });
    expect(await here.post(`/v1/reservations/${serious}/commit`, {})).toMatchObject({ status: 409, body: { code: 'RESERVATION_FINALIZED' } });
  });

  test('a report after the grace is too late, also before the sweep comes', async () => {
    const id = await held('unknown');
    await overdue(id);
    const answer = await here.post(`/v1/reservations/${id}/commit`, {});
    expect([`${answer.status} ${answer.body['code'] as string}`]).toEqual([expect.stringMatching(/^(410 RESERVATION_EXPIRED|409 RESERVATION_FINALIZED)$/)]);
  });

  test('a person reconciles an unknown self execution; an agent does not', async () => {
    const id = await held('unknown');
    expect((await here.post(`/v1/reservations/${id}/outcome`, { status: 'UNKNOWN' })).body['status']).toBe('unknown');
    const before = await balance();
    expect((await here.post(`/v1/reservations/${id}/reconcile`, { result: 'executed', reason: 'seen' })).status).toBe(403);
    expect(await here.post(`/v1/reservations/${id}/reconcile`, { result: 'not_executed', reason: 'not seen' }, here.personToken('acme'))).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    expect(await here.post(`/v1/reservations/${id}/reconcile`, { result: 'executed', reason: 'seen' }, here.personToken('acme'))).toMatchObject({ status: 200, body: { status: 'committed' } });
    expect(await balance()).toBe(String(Number(before) - 3));
  });

  test('execute_by stays when a hold is extended', async () => {
    const first = await here.reserve(here.grant());
    const id = first.body['reservation_id'] as string;
    const extended = await here.post(`/v1/reservations/${id}/extend`, { by_ms: 300_000 });
    expect(extended).toMatchObject({ status: 200, body: { execute_by: first.body['execute_by'] } });
    expect(Date.parse(extended.body['expires_at'] as string)).toBeGreaterThan(Date.parse(first.body['expires_at'] as string));
  });
});
