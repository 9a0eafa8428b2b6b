import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId, systemClock } from '@exequatur/kernel';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import { loadConfig } from '@exequatur/service-kit';
import type { Database } from '@exequatur/service-kit';
import { executorService } from '../index.js';
import type { ExecutorConfig } from '../executor-config.js';
import { LIMITS } from '../limits.js';
import { AGENT_TOKEN, ExecutorBed, TENANT } from '../spec/executor-bed.js';
import { ExecutionLeases } from './execution-leases.js';

const NARROW = { name: 'narrow.tool', version: '1' };
const SLOW = { name: 'slow.tool', version: '1' };
const FAST = { name: 'fast.tool', version: '1' };

describe('a bounded pool of workers', () => {
  let bed: ExecutorBed;
  let origin: string;
  const tools: HttpTool[] = [];

  beforeAll(async () => {
    bed = await ExecutorBed.start();
    ({ origin } = await bed.executor({ EXECUTOR_WORKERS: '4' }));
    for (const tool of [NARROW, SLOW, FAST]) {
      const server = await startHttpTool();
      tools.push(server);
      await bed.connect(origin, tool, { type: 'http', settings: { url: server.url, ...(tool === NARROW ? { max_concurrency: 2 } : {}) } });
    }
  });
  afterAll(async () => {
    await bed.stop();
    for (const tool of tools) await tool.stop();
  });

  /** The most requests that a tool which takes `takesMs` for each had at the same time. */
  const mostAtOnce = ({ received }: HttpTool, takesMs: number): number => Math.max(...received.map(({ at }) => received.filter((other) => other.at <= at && other.at.getTime() > at.getTime() - takesMs).length));

  test('a connector’s max_concurrency holds, and all are executed', async () => {
    const [narrow] = tools as [HttpTool];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    narrow.behave((_, nth) => (nth <= 2 ? { answerAfter: released } : { answerAfterMs: 300 }));
    const allowed = await Promise.all(Array.from({ length: 8 }, (_, n) => bed.allow({ n }, { tool: NARROW })));
    await bed.until('the tool has all it may have', async () => narrow.received.length === 2);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(narrow.received).toHaveLength(2);
    release();
    for (const { executionId } of allowed) expect((await bed.ended(executionId)).at(-1)?.name).toBe('ExecutionSucceeded');
    expect(mostAtOnce(narrow, 290)).toBeLessThanOrEqual(2);
    expect(new Set(narrow.effects.map(({ key }) => key)).size).toBe(8);
  });

  test('a slow tool leaves workers to the others', async () => {
    const [, slow] = tools as [HttpTool, HttpTool];
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    slow.behave(() => ({ answerAfter: released }));
    const stuck = await Promise.all(Array.from({ length: 8 }, (_, n) => bed.allow({ n }, { tool: SLOW })));
    await bed.until('the slow tool has all it may have', async () => slow.received.length === 3);
    const quick = await bed.allow({}, { tool: FAST });
    expect((await bed.ended(quick.executionId)).at(-1)?.name).toBe('ExecutionSucceeded');
    expect(slow.received).toHaveLength(3);
    slow.behave(() => ({}));
    release();
    for (const { executionId } of stuck) expect((await bed.ended(executionId)).at(-1)?.name).toBe('ExecutionSucceeded');
  });

  test('when too many of a tenant wait, a further use is answered BUSY', async () => {
    const { actionId, executionId } = await bed.allow({}, { tool: FAST, max_uses: 2 });
    await bed.ended(executionId);
    const waiting = `INSERT INTO execution (tenant, execution_id, action_id, grant_id, use_no, agent, tool_name, tool_version, status, next_step_at)
      SELECT $1, gen_random_uuid(), $2, gen_random_uuid(), 1, 'mailer', 'idle.tool', '1', 'requested', clock_timestamp() + interval '1 day' FROM generate_series(1, $3)`;
    await bed.admin.query(waiting, [TENANT, newId(), LIMITS.waitingPerTenant]);
    expect(await bed.post(origin, `/v1/actions/${actionId}/executions`, undefined, AGENT_TOKEN)).toMatchObject({ status: 429, body: { code: 'BUSY' } });
    await bed.admin.query("DELETE FROM execution WHERE tool_name = 'idle.tool'");
    expect((await bed.post(origin, `/v1/actions/${actionId}/executions`, undefined, AGENT_TOKEN)).status).toBe(201);
  });
});

test('tenants take turns, however much one of them has waiting', async () => {
  const bed = await ExecutorBed.start();
  try {
    // For its tables only: nobody else is to take what follows.
    await (await bed.executorProcess()).stop();
    const waiting = async (tenant: string, count: number): Promise<void> => {
      const grantId = newId();
      const claims = { tool: { name: 'any.tool', version: '1' } };
      await bed.admin.query("INSERT INTO managed_grant (tenant, grant_id, action_id, agent, max_uses, grant_jws, claims, expires_at, content, content_event_id) VALUES ($1, $2, $2, 'a', 1000, 'jws', $3, 'infinity', '{}', $2)", [tenant, grantId, JSON.stringify(claims)]);
      await bed.admin.query("INSERT INTO execution (tenant, execution_id, action_id, grant_id, use_no, agent, tool_name, tool_version, status) SELECT $1, gen_random_uuid(), $2, $2, n, 'a', 'any.tool', '1', 'requested' FROM generate_series(1, $3::integer) n", [tenant, grantId, count]);
    };
    await waiting('busy', 1_000);
    await waiting('quiet', 2);
    await waiting('shy', 1);
    const config = loadConfig(executorService.Config, bed.environment('executor', { EXECUTOR_WORKERS: '8' })) as ExecutorConfig;
    const leases = new ExecutionLeases({ query: bed.admin.query.bind(bed.admin) } as unknown as Database, systemClock, config);
    const taken = await leases.take(5);
    expect(taken.map(({ tenant }) => tenant).sort()).toEqual(['busy', 'busy', 'quiet', 'quiet', 'shy']);
    // Six of eight workers may be this tool's: four more, however many are asked for.
    expect((await leases.take(8)).map(({ tenant }) => tenant)).toEqual(Array.from({ length: 4 }, () => 'busy'));
    expect(await leases.take(8)).toEqual([]);
  } finally {
    await bed.stop();
  }
});
