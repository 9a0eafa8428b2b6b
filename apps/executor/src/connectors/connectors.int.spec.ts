import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import { AGENT_TOKEN, ExecutorBed, OPERATOR_TOKEN } from '../spec/executor-bed.js';
import type { ExecutorProcess } from '../spec/executor-process.js';

const CANARY = 'canary-4711-"quoted"';
const TOOL = { name: 'billing.refund', version: '1' };

describe('connectors', () => {
  let bed: ExecutorBed;
  let tool: HttpTool;
  let executor: ExecutorProcess;
  let origin: string;
  beforeAll(async () => {
    bed = await ExecutorBed.start();
    tool = await startHttpTool();
    executor = await bed.executorProcess({ LOG_LEVEL: 'trace' });
    origin = await executor.listening();
  });
  afterAll(async () => {
    await bed.stop();
    await tool.stop();
  });

  const configure = (change: object, token = OPERATOR_TOKEN) => bed.post(origin, '/v1/connectors', { tool: TOOL, type: 'http', settings: { url: tool.url, private_networks: ['127.0.0.1'] }, ...change }, token);

  test('only operators and root configure them', async () => {
    await bed.until('the directory', async () => (await configure({})).status === 201);
    expect((await configure({}, AGENT_TOKEN)).status).toBe(403);
    expect(await configure({ tenant: 'globex' })).toMatchObject({ status: 403 });
    expect(await configure({}, bed.secrets.adminToken)).toMatchObject({ status: 422, body: { errors: [{ pointer: '/tenant' }] } });
  });

  test.each([
    [{ settings: { url: 'ftp://x.example' } }, '/settings/url'],
    [{ settings: { url: 'https://user:pass@x.example/' } }, '/settings/url'],
    [{ settings: { url: 'https://x.example', headers: { 'Idempotency-Key': '1' } } }, '/settings/headers'],
    [{ settings: { url: 'https://x.example', headers: { 'X-Api-Key': '1' } } }, '/settings/headers'],
    [{ settings: { url: 'https://x.example', headers: { 'x-a': 'b\r\nc: d' } } }, '/settings/headers'],
    [{ settings: { url: 'https://x.example', more: 1 } }, '/more'],
    [{ settings: { url: 'http://127.0.0.1:9/' } }, '/settings/private_networks'],
    [{ settings: { url: 'http://[::ffff:127.0.0.1]/', private_networks: ['::1'] } }, '/settings/private_networks'],
    [{ settings: { url: 'http://2130706433/' } }, '/settings/private_networks'],
    [{ settings: { url: 'http://169.254.169.254/', private_networks: ['169.254.169.254'] } }, '/settings/private_networks'],
    [{ type: 'smtp', settings: { host: '10.0.0.1', port: 25, from: 'a@b.example' } }, '/settings/private_networks'],
    [{ settings: { url: 'https://x.example', private_networks: ['localhost'] } }, '/settings/private_networks/0'],
    [{ settings: { url: 'https://x.example', extract: { model: '/a\0' } } }, '/settings'],
    [{ settings: { url: 'https://x.example', max_concurrency: 0 } }, '/settings/max_concurrency'],
    [{ settings: { url: 'https://x.example', redirects: 6 } }, '/redirects'],
    [{ settings: { url: 'https://x.example', extract: { rows: 'limit' } } }, '/settings/extract/rows'],
    [{ settings: { url: 'https://x.example', extract: { amounts: { usd: '/a' } } } }, '/settings/extract/amounts'],
    [{ settings: { url: 'https://x.example', extract: { recipients: [] } } }, '/settings/extract/recipients'],
    [{ settings: { url: 'https://x.example', outcome_query: { url: 'https://x.example/q', executed: { status: [200] } } } }, '/settings/outcome_query/url'],
    [{ settings: { url: 'https://x.example', outcome_query: { url: 'https://y.example/{effect_key}', executed: { status: [200] } } } }, '/settings/outcome_query/url'],
    [{ settings: { url: 'https://x.example', outcome_query: { url: 'https://x.example/{effect_key}', executed: { status: [] } } } }, '/settings/outcome_query/executed/status'],
    [{ settings: { url: 'https://x.example', outcome_query: { url: 'https://x.example/{effect_key}', executed: { status: [200] }, not_executed: { status: [200], absent: true } } } }, '/settings/outcome_query/not_executed/pointer'],
    [{ credential: { username: 'u' } }, '/credential'],
    [{ credential: { bearer_token: 'a', username: 'u', password: 'p' } }, '/credential'],
    [{ type: 'smtp', settings: { host: 'mail.example', port: 25, from: 'A <a@b.example>' } }, '/settings/from'],
    [{ type: 'smtp', settings: { host: 'mail.example', port: 25, from: 'a@b.example' }, credential: { bearer_token: 'x' } }, '/credential'],
  ])('refuses %j', async (change, pointer) => expect(await configure(change)).toMatchObject({ status: 422, body: { code: 'INVALID', errors: [{ pointer }] } }));

  test('invariant 30: a credential is in no answer, event, log, table or sealed result', async () => {
    const configured = await configure({ credential: { username: 'svc', password: CANARY, headers: { 'x-key': `${CANARY}-2` } } });
    expect(configured).toMatchObject({ status: 201, body: { has_credential: true } });
    const listed = await bed.call('GET', `${origin}/v1/connectors`, OPERATOR_TOKEN);
    expect(listed.body['items']).toMatchObject([{ tool: TOOL, has_credential: true }]);
    const results: unknown[] = [];
    for (const status of [200, 400, 500]) {
      // A tool that tells everything it heard.
      tool.behave(({ headers }) => ({ status, headers: { 'x-request-id': String(headers['x-key']) }, body: headers }));
      const { executionId } = await bed.allow({ status }, { tool: TOOL });
      const last = (await bed.ended(executionId)).at(-1);
      expect(tool.received.at(-1)?.headers).toMatchObject({ 'x-key': `${CANARY}-2`, authorization: `Basic ${Buffer.from(`svc:${CANARY}`).toString('base64')}` });
      if (status !== 500) results.push(await bed.opened(last));
    }
    const { rows: tables } = await bed.admin.query<{ name: string }>("SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')");
    const dump: string[] = [];
    for (const { name } of tables) dump.push(...(await bed.admin.query<{ row: string }>(`SELECT t::text AS row FROM ${name} t`)).rows.map(({ row }) => row));
    expect(dump.length).toBeGreaterThan(20);
    expect(executor.output).toContain('"msg":"answered"');
    const everything = [configured.text, listed.text, JSON.stringify(results), executor.output, ...dump].join('\n');
    const spellings = [CANARY, 'canary-4711', Buffer.from('canary-4711').toString('hex'), Buffer.from(CANARY).toString('hex'), Buffer.from(`svc:${CANARY}`).toString('base64'), Buffer.from(`svc:${CANARY}`).toString('hex')];
    expect(spellings.filter((spelling) => everything.includes(spelling))).toEqual([]);
    expect(JSON.stringify(results)).toContain('[redacted]');
  });

  test('invariant 30: a credential opens under its own tenant and connector only', async () => {
    await configure({ credential: { bearer_token: 'one' } });
    await configure({ tool: { name: 'other.tool', version: '1' } });
    await bed.admin.query("UPDATE connector SET credential = (SELECT credential FROM connector WHERE tool_name = 'billing.refund') WHERE tool_name = 'other.tool'");
    const before = tool.received.length;
    const { executionId } = await bed.allow({}, { tool: { name: 'other.tool', version: '1' }, expires_at: new Date(Date.now() + 3_000).toISOString() });
    expect((await bed.ended(executionId)).at(-1)).toMatchObject({ name: 'ExecutionSkipped', data: { code: 'GRANT_EXPIRED' } });
    expect(tool.received).toHaveLength(before);
  });
});
