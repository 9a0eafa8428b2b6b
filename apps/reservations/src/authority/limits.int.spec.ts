import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Grant } from '@exequatur/contracts';
import { newId, sha256Text } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { runScopePath } from '@exequatur/reservations-domain';
import { FOLDED_BUDGETS, FOLDED_RUNS, foldLog } from '../spec/fold-log.js';
import { BASE_POLICY, Installation } from '../spec/installation.js';

type Limits = Readonly<Record<string, JsonValue>>;

describe('limits of the policy in force', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000000');
    await here.budget('1000000000', 'tenant:acme', 'USD_MICROCENTS');
  });
  afterAll(() => here.stop());

  const limited = async (limits: Limits): Promise<void> => {
    await here.publishPolicy('acme', { ...(BASE_POLICY as Record<string, JsonValue>), limits });
  };
  const inRun = (run: string, changes: Partial<Grant> = {}): Grant => {
    const grant = here.grant(changes);
    return { ...grant, run_id: run, facts: { ...grant.facts, run_id: run } };
  };
  const codes = (answers: readonly { status: number; body: Record<string, unknown> }[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const { body } of answers) {
      const key = String(body['code'] ?? body['status']);
      counts[key] = (counts[key] ?? 0) + 1;
    }
    return counts;
  };

  describe('of a run', () => {
    test('invariant 10: forty at once in one run get as many steps as it has, and another run its own', async () => {
      await limited({ run: { max_steps: 7 } });
      const answers = await Promise.all(Array.from({ length: 40 }, () => here.reserve(inRun('run-a'))));
      expect(codes(answers)).toEqual({ held: 7, RUN_LIMIT_EXCEEDED: 33 });
      expect((await here.reserve(inRun('run-b'))).status).toBe(201);
      const { rows } = await here.pool.query('SELECT cap, held, entry_no, run_limit, unit FROM budget WHERE scope_path = $1', [runScopePath('acme', 'mailer', 'run-a')]);
      expect(rows).toEqual([{ cap: '7', held: '7', entry_no: '7', run_limit: 'max_steps', unit: 'STEPS' }]);
      expect((await here.events('ReservationRefused')).at(-1)?.data).toMatchObject({ code: 'RUN_LIMIT_EXCEEDED', refused_by: 'max_steps' });
    });

    test('a released step is free again, a committed one is not; other agents have their own run of the name', async () => {
      await limited({ run: { max_tool_calls: 1 } });
      const first = await here.reserve(inRun('run-c'));
      expect(first.status).toBe(201);
      expect((await here.reserve(inRun('run-c'))).body['code']).toBe('RUN_LIMIT_EXCEEDED');
      const other = inRun('run-c', { agent_identity: 'other' });
      expect((await here.reserve({ ...other, facts: { ...other.facts, agent: 'other' } }, {}, here.agentToken('acme', 'other'))).status).toBe(201);
      await here.post(`/v1/reservations/${first.body['reservation_id'] as string}/release`, {});
      const second = await here.reserve(inRun('run-c'));
      expect(second.status).toBe(201);
      expect((await here.post(`/v1/reservations/${second.body['reservation_id'] as string}/commit`, {})).status).toBe(200);
      expect((await here.reserve(inRun('run-c'))).body['code']).toBe('RUN_LIMIT_EXCEEDED');
    });

    test('what a run costs, and a newer policy’s figure for it', async () => {
      await limited({ run: { max_usd: '0.05' } });
      const costing = (cents: number): Grant => inRun('run-d', { amounts: [{ unit: 'USD_MICROCENTS', amount: String(cents * 1_000_000) }] });
      expect((await here.reserve(costing(3))).status).toBe(201);
      expect((await here.reserve(costing(3))).body['code']).toBe('RUN_LIMIT_EXCEEDED');
      await limited({ run: { max_usd: '0.06' } });
      expect((await here.reserve(costing(3))).status).toBe(201);
      expect((await here.reserve(costing(1))).body['code']).toBe('RUN_LIMIT_EXCEEDED');
    });

    test('how long a run may claim, from its first claim on, by the database’s clock', async () => {
      await limited({ run: { max_seconds: 600 } });
      expect((await here.reserve(inRun('run-e'))).status).toBe(201);
      expect((await here.reserve(inRun('run-e'))).status).toBe(201);
      await here.pool.query("UPDATE run SET started_at_ms = started_at_ms - 600000 WHERE run_id = 'run-e'");
      expect((await here.reserve(inRun('run-e'))).body['code']).toBe('RUN_LIMIT_EXCEEDED');
      await here.pool.query("UPDATE run SET started_at_ms = started_at_ms + 600000 WHERE run_id = 'run-e'");
    });

    test('a claim under limits is settled under a policy without', async () => {
      await limited({ run: { max_steps: 5 } });
      const held = await here.reserve(inRun('run-f'));
      await here.publishPolicy('acme', BASE_POLICY);
      await here.reserve(inRun('run-f'));
      expect((await here.post(`/v1/reservations/${held.body['reservation_id'] as string}/commit`, {})).status).toBe(200);
      const { rows } = await here.pool.query('SELECT held, committed FROM budget WHERE scope_path = $1', [runScopePath('acme', 'mailer', 'run-f')]);
      expect(rows).toEqual([{ held: '0', committed: '1' }]);
    });

    test('a dry run counts nothing', async () => {
      await limited({ run: { max_steps: 1 } });
      for (let turn = 0; turn < 3; turn += 1) expect((await here.post('/v1/decide', await here.request(inRun('run-g')))).body).toMatchObject({ allowed: 'yes' });
      expect((await here.reserve(inRun('run-g'))).status).toBe(201);
    });
  });

  describe('on velocity', () => {
    test('forty at once: as many as the window has, and when to come back', async () => {
      await limited({ velocity: [{ id: 'mails', by: ['agent', 'kind'], window: '1h', max_count: 6 }] });
      const answers = await Promise.all(Array.from({ length: 40 }, () => here.reserve(here.grant())));
      expect(codes(answers)).toEqual({ held: 6, VELOCITY_EXCEEDED: 34 });
      const body = await here.request(here.grant());
      const key = newId();
      const ask = () => fetch(`${here.origin}/v1/reservations`, { method: 'POST', headers: { authorization: `Bearer ${here.agentToken('acme')}`, 'content-type': 'application/json', 'idempotency-key': key }, body: JSON.stringify(body) });
      const [refused, again] = [await ask(), await ask()];
      expect(refused.status).toBe(409);
      const seconds = Number(refused.headers.get('retry-after'));
      expect(seconds).toBeGreaterThan(3_000);
      expect(seconds).toBeLessThanOrEqual(3_960);
      expect(await again.text()).toBe(await refused.text());
      expect(again.headers.get('retry-after')).toBe(refused.headers.get('retry-after'));
      expect((await here.events('ReservationRefused')).at(-1)?.data).toMatchObject({ code: 'VELOCITY_EXCEEDED', refused_by: 'mails', retry_after_ms: expect.any(Number) });
    });

    test('counted apart by target, of grants presented and known', async () => {
      await limited({ velocity: [{ id: 'all', by: ['agent'], window: '1h', max_count: 100 }, { id: 'each', by: ['target'], window: '1h', max_count: 1 }] });
      const target = (name: string): Pick<Grant, 'target_key'> => ({ target_key: sha256Text(Buffer.from(name)) });
      expect((await here.reserve(here.grant(target('ann')))).status).toBe(201);
      expect((await here.reserve(here.grant(target('ann')))).body['code']).toBe('VELOCITY_EXCEEDED');
      const known = here.grant(target('bob'));
      await here.post('/v1/reservations', await here.request(known, { run_id: 'other' }));
      const byId = async (grant: Grant) => {
        const { grant: _, ...request } = await here.request(grant);
        return here.post('/v1/reservations', { ...request, grant_id: grant.grant_id });
      };
      expect((await byId(known)).status).toBe(201);
      expect((await here.reserve(here.grant(target('bob')))).body['code']).toBe('VELOCITY_EXCEEDED');
    });

    test('a new rule counts from its first claim on, whatever the policy before had', async () => {
      for (const id of ['old', 'new']) {
        await limited({ velocity: [{ id, by: ['agent'], window: '1h', max_count: 2 }] });
        for (const status of [201, 201, 409]) expect((await here.reserve(here.grant())).status).toBe(status);
      }
    });

    test('an amount in a window; slices that have left are free again', async () => {
      await limited({ velocity: [{ id: 'money', window: '1h', max_amount: { USD: '0.10' } }] });
      const costing = (cents: number): Grant => here.grant({ amounts: [{ unit: 'USD_MICROCENTS', amount: String(cents * 1_000_000) }] });
      expect((await here.reserve(costing(7))).status).toBe(201);
      expect((await here.reserve(costing(4))).body['code']).toBe('VELOCITY_EXCEEDED');
      expect((await here.reserve(costing(3))).status).toBe(201);
      await here.pool.query(`UPDATE velocity_counter SET slices = (SELECT jsonb_agg(jsonb_set(s, '{0}', to_jsonb((s ->> 0)::bigint - 3960000))) FROM jsonb_array_elements(slices) AS s) WHERE rule_id = 'money'`);
      expect((await here.reserve(costing(10))).status).toBe(201);
      const { rows } = await here.pool.query<{ slices: unknown[] }>("SELECT slices FROM velocity_counter WHERE rule_id = 'money'");
      expect(rows[0]?.slices).toHaveLength(1);
    });
  });

  test('invariant 22: budgets and runs folded from the log alone are the rows', async () => {
    const { rows: log } = await here.pool.query<{ bytes: Buffer }>('SELECT bytes FROM event ORDER BY xid, position');
    const folded = foldLog(log.map(({ bytes }) => bytes));
    expect(folded.budgets).toEqual((await here.pool.query(FOLDED_BUDGETS)).rows);
    expect(folded.runs).toEqual((await here.pool.query(FOLDED_RUNS)).rows);
    expect(folded.runs.length).toBeGreaterThan(4);
  });
});
