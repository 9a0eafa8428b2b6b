import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { JsonValue } from '@exequatur/kernel';
import { runScopePath } from '@exequatur/reservations-domain';
import { BASE_POLICY, Installation } from '../spec/installation.js';
import { ForgetCircuits } from './forget-circuits.js';
import { ForgetRuns } from './forget-runs.js';
import { SweepCounters } from './sweep-counters.js';
import { SweepTimer } from './sweep-timer.js';

const LIMITS = { run: { max_steps: 2 }, velocity: [{ id: 'often', by: ['agent'], window: '1h', max_count: 1_000 }] };

/** Time passes by moving what the rows say back: the clock is the database's. */
describe('what no claim needs any more is forgotten', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    // Sweeps come when the spec says so.
    await here.service.app.get(SweepTimer).beforeApplicationShutdown();
    await here.budget('1000');
    await here.publishPolicy('acme', { ...(BASE_POLICY as Record<string, JsonValue>), limits: LIMITS });
  }, 60_000);
  afterAll(() => here.stop());

  const claim = async (run_id: string): Promise<{ status: number; body: Record<string, unknown> }> => here.reserve(here.grant({ run_id, facts: { ...here.grant().facts, run_id } }), { run_id });
  const end = (id: unknown, how = 'release') => here.post(`/v1/reservations/${String(id)}/${how}`, {});
  const sweepRuns = (): Promise<void> => here.service.app.get(ForgetRuns).sweep();
  const later = (days: number) =>
    here.pool.query(`UPDATE run SET looked_at = looked_at - make_interval(days => ${days}), unchanged_since = unchanged_since - make_interval(days => ${days}), started_at_ms = started_at_ms - ${days} * 86400000::bigint`);
  const runs = () => here.count("SELECT FROM run WHERE run_id LIKE 'old-%'");
  const limitsOf = (run: string) => here.pool.query<{ held: string; entry_no: string }>('SELECT held, entry_no FROM budget WHERE scope_path = $1', [runScopePath('acme', 'mailer', run)]).then(({ rows }) => rows);

  test('invariant 7: a run is forgotten a month after its last entry, and never while it holds something', async () => {
    const [ended, standing, busy] = [await claim('old-ended'), await claim('old-standing'), await claim('old-busy')];
    for (const held of [ended, busy]) expect((await end(held.body['reservation_id'])).status).toBe(200);
    expect(standing.status).toBe(201);
    // Two claims are all of it, released or not.
    expect((await claim('old-busy')).status).toBe(201);
    await sweepRuns();
    expect(await runs()).toBe(3);
    await later(40);
    // An entry since the last look, though the look was long ago.
    const { rows } = await here.pool.query<{ reservation_id: string }>("SELECT reservation_id FROM reservation WHERE status = 'Held' AND claim::jsonb ->> 'run_id' = 'old-busy'");
    expect((await end(rows[0]?.reservation_id)).status).toBe(200);
    await sweepRuns();
    expect(await limitsOf('old-ended')).toEqual([]);
    expect(await limitsOf('old-standing')).toMatchObject([{ held: '1' }]);
    expect(await limitsOf('old-busy')).toHaveLength(1);
    expect(await runs()).toBe(2);
    // What had ended stays ended, and what stands is settled as ever.
    expect(await end(ended.body['reservation_id'], 'commit')).toMatchObject({ body: { code: 'RESERVATION_FINALIZED' } });
    expect((await end(standing.body['reservation_id'], 'commit')).status).toBe(200);
  });

  test('a run of that name begins anew, in budgets of their own', async () => {
    const ids = async () => (await here.events('ReservationHeld')).filter(({ data }) => data['run_id'] === 'old-again').map(({ data }) => (data['holds'] as { budget_id: string; run_limit?: string }[]).find(({ run_limit }) => run_limit !== undefined)?.budget_id);
    await end((await claim('old-again')).body['reservation_id']);
    await sweepRuns();
    await later(40);
    await sweepRuns();
    expect(await limitsOf('old-again')).toEqual([]);
    for (let n = 0; n < 2; n += 1) expect((await claim('old-again')).status).toBe(201);
    expect((await claim('old-again')).body['code']).toBe('RUN_LIMIT_EXCEEDED');
    const [before, after, same] = await ids();
    expect([before === after, after === same]).toEqual([false, true]);
  });

  test('velocity counters go an hour after the last of their window, not before', async () => {
    await claim('run-counted');
    const sweep = () => here.service.app.get(SweepCounters).sweep();
    const idle = (byMs: number) => here.pool.query(`UPDATE velocity_counter SET idle_from_ms = extract(epoch FROM clock_timestamp()) * 1000 - ${byMs}`);
    const counters = () => here.count('SELECT FROM velocity_counter');
    await sweep();
    await idle(3_000_000);
    await sweep();
    expect(await counters()).toBe(1);
    await idle(3_700_000);
    await sweep();
    expect(await counters()).toBe(0);
  });

  test('circuits go when they are closed, count nothing and give no probe', async () => {
    const id = (nth: number) => `00000000-0000-7000-8000-00000000000${nth}`;
    const old = JSON.stringify([{ startMs: Date.now() - 40 * 86_400_000, volume: 3, rejected: 1, denied: 0 }]);
    const recent = JSON.stringify([{ startMs: Date.now() - 60_000, volume: 3, rejected: 1, denied: 0 }]);
    for (const [nth, status, counts, due] of [[1, 'Closed', old, false], [2, 'Closed', recent, false], [3, 'Open', old, false], [4, 'HalfOpen', old, false], [5, 'Closed', old, false]] as const) {
      await here.pool.query('INSERT INTO circuit (circuit_id, tenant, agent, action_kind, status, counts, due) VALUES ($1, $2, $3, $4, $5, $6, $7)', [id(nth), 'acme', 'gone', `kind.${nth}`, status, counts, due]);
    }
    await here.pool.query('INSERT INTO circuit_probe (reservation_id, circuit_id, fence_epoch) VALUES ($1, $1, 1)', [id(5)]);
    await here.service.app.get(ForgetCircuits).sweep();
    const { rows } = await here.pool.query<{ circuit_id: string }>("SELECT circuit_id FROM circuit WHERE agent = 'gone' ORDER BY circuit_id");
    expect(rows.map(({ circuit_id }) => circuit_id)).toEqual([id(2), id(3), id(4), id(5)]);
  });
});
