import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TrustedKeys } from '@exequatur/audit-chain';
import { verifyExport } from '@exequatur/audit-verify';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import { askingAt, until } from './asking.js';
import type { Ask } from './asking.js';
import { startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;
const CANARY = 'canary-credential-90210-"quoted"';
const TENANT = 'canary';
const POLICY = `version: 1
classes:
  routine: { kinds: [crm.contact.update], default: allow, on_silence: unknown }
tools:
  crm.update: { kind: crm.contact.update, risk_points: 1, target: /contact }
`;

async function* streamed(lines: readonly string[]): AsyncGenerator<string> {
  yield* lines;
}

/** Invariant 30 from outside: a connector's credential, with a tool that repeats it wherever it can. */
describe('a credential of a connector', () => {
  const directory = temporaryDirectory();
  let standalone: RunningStandalone;
  let tool: HttpTool;
  let ask: Ask;
  let agent: string;
  let auditor: string;
  let operator: string;

  const admin = async (request: `POST /${string}`, body: object): Promise<Record<string, string>> => {
    const answer = await ask<Record<string, string>>(standalone.adminToken, request, { tenant: TENANT, ...body });
    if (answer.status !== 201) throw new Error(`${request} answered ${answer.status}: ${answer.bytes}`);
    return answer.body;
  };

  beforeAll(async () => {
    tool = await startHttpTool();
    standalone = await startStandalone(directory.path, ['--log-level', 'trace']);
    ask = askingAt(standalone.origin);
    await admin('POST /v1/tenants', { display_name: TENANT });
    await admin('POST /v1/agents', { agent: 'worker', display_name: 'Worker', scope_prefix: `tenant:${TENANT}` });
    agent = (await admin('POST /v1/agents/worker/keys', {}))['key'] ?? '';
    await admin('POST /v1/policies', { source: POLICY, reason: 'canary' });
    const personWith = async (role: string): Promise<string> => (await admin('POST /v1/people', { person: role, subject: `local#${role}`, roles: [role], issue_token: true }))['token'] ?? '';
    [auditor, operator] = [await personWith('auditor'), await personWith('operator')];
    await admin('POST /v1/budgets', { scope_path: `tenant:${TENANT}`, unit: 'RISK_POINTS', cap: '100' });
    const outcome_query = { url: `${tool.url}/effects/{effect_key}`, executed: { status: [200] }, provider_request_id: '/id' };
    const credential = { bearer_token: CANARY, headers: { 'x-key': `${CANARY}-2` } };
    await admin('POST /v1/connectors', { tool: { name: 'crm.update', version: '1.0' }, type: 'http', settings: { url: `${tool.url}/contacts`, private_networks: ['127.0.0.1'], outcome_query }, credential });
  }, SLOW);
  afterAll(async () => {
    await standalone.interrupt();
    await tool.stop();
    directory.remove();
  }, SLOW);

  test('invariant 30: is in no answer, event, receipt, export or log', async () => {
    tool.behave(({ headers, body }) => {
      const { behaviour } = JSON.parse(body.toString('utf8')) as { behaviour: string };
      return { headers: { 'x-request-id': String(headers['x-key']) }, body: headers, ...(behaviour === 'lost' ? { hangUp: true } : { status: Number(behaviour) }) };
    });
    tool.behaveWhenAsked((_, __, headers) => ({ body: { id: headers['x-key'], echo: headers } }));
    const seen: string[] = [];
    for (const behaviour of ['200', '400', 'lost']) {
      const proposal = { scope_path: `tenant:${TENANT}`, run_id: 'run-1', action_kind: 'crm.contact.update', tool: { name: 'crm.update', version: '1.0' }, target: behaviour, arguments: { contact: behaviour, behaviour }, reversal: { reason: 'it can be edited again' }, execution_mode: 'managed' };
      const { body } = await until(() => ask<{ action_id?: string }>(agent, 'POST /v1/actions', proposal), ({ status }) => status === 201, 'the proposal');
      const end = await until(() => ask<{ status: string }>(agent, `GET /v1/actions/${body.action_id}`), ({ body: { status } }) => status === (behaviour === '400' ? 'failed' : 'executed'), `the end of ${behaviour}`);
      const receipt = await until(() => ask(auditor, `GET /v1/receipts/${body.action_id}`), ({ status }) => status === 200, 'the receipt');
      seen.push(end.bytes, receipt.bytes, (await ask(operator, `GET /v1/executions?action_id=${body.action_id}`)).bytes);
    }
    // The tool really had it, in calls and in the question.
    expect(tool.received.map(({ headers }) => headers.authorization)).toEqual([`Bearer ${CANARY}`, `Bearer ${CANARY}`, `Bearer ${CANARY}`]);
    expect(tool.asked).toHaveLength(1);
    const exported = async (): Promise<{ lines: string[]; events: string[] }> => {
      const answer = await fetch(`${standalone.origin}/v1/exports`, { method: 'POST', headers: { authorization: `Bearer ${auditor}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() }, body: '{}' });
      const lines = (await answer.text()).split('\n').filter((line) => line !== '');
      const events = lines.flatMap((line) => {
        const { bytes_b64 } = JSON.parse(line) as { bytes_b64?: string };
        return bytes_b64 === undefined ? [] : [Buffer.from(bytes_b64, 'base64').toString('utf8')];
      });
      return { lines, events };
    };
    const { lines, events } = await until(exported, (taken) => taken.events.some((event) => event.includes('ExecutionReconciled')), 'the reconciliation in the log');
    expect(lines.length).toBeGreaterThan(20);
    const trustedKeys = JSON.parse(readFileSync(join(directory.path, 'secrets', 'trusted-keys.json'), 'utf8')) as TrustedKeys;
    expect((await verifyExport(streamed(lines), { trustedKeys })).violations).toEqual([]);
    seen.push(...lines, ...events, (await ask(operator, 'GET /v1/connectors')).bytes, standalone.program.output.stdout, standalone.program.output.stderr);
    expect(seen.join('\n')).toContain('[redacted]');
    const spellings = [CANARY, 'canary-credential', Buffer.from(CANARY).toString('base64').slice(0, 40), Buffer.from(CANARY).toString('hex')];
    expect(spellings.filter((spelling) => seen.some((text) => text.includes(spelling)))).toEqual([]);
  }, SLOW);
});
