import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import { AGENT_TOKEN, ExecutorBed, OPERATOR_TOKEN } from '../spec/executor-bed.js';
import type { Allowed } from '../spec/executor-bed.js';

const TOOL = { name: 'billing.refund', version: '1' };
const MUTE_TOOL = { name: 'mute.tool', version: '1' };
const CANARY = 'canary-asking-0815';

describe('an unknown outcome is settled by what the tool says', () => {
  let bed: ExecutorBed;
  let tool: HttpTool;
  let origin: string;
  const query = () => ({ url: `${tool.url}/effects/{effect_key}`, executed: { status: [200], pointer: '/effects', values: ['1'] }, not_executed: { status: [404] }, effect_key: '/key', provider_request_id: '/id' });

  beforeAll(async () => {
    bed = await ExecutorBed.start();
    tool = await startHttpTool();
    ({ origin } = await bed.executor({ EXECUTOR_ASK_TOOL_MS: '100' }));
    await bed.connect(origin, TOOL, { type: 'http', settings: { url: `${tool.url}/refunds`, outcome_query: query() }, credential: { bearer_token: CANARY } });
    await bed.connect(origin, MUTE_TOOL, { type: 'http', settings: { url: `${tool.url}/refunds` } });
  });
  afterAll(async () => {
    await bed.stop();
    await tool.stop();
  });
  beforeEach(() => {
    tool.behave(() => ({}));
    tool.behaveWhenAsked(() => undefined);
  });

  /** One whose effect is there or not, and whose answer was lost either way. */
  const lost = async (effect: boolean, to = TOOL): Promise<Allowed> => {
    tool.behave(() => ({ hangUp: true, effect }));
    return bed.allow({ effect }, { tool: to, caps: { max_runtime_sec: 5 } });
  };
  const requestsOf = (key: string) => tool.received.filter(({ headers }) => headers['idempotency-key'] === key);
  const settled = async (executionId: string, name: string): Promise<void> => {
    const [claim] = await bed.claims(executionId);
    await bed.until(`the hold ends in ${name}`, async () => (await bed.events('reservations', String(claim?.['reservation_id']))).some((event) => event.name === name));
  };

  test('invariant 6: it acted: executed, with the tool’s own id, and nothing is called again', async () => {
    const { executionId } = await lost(true);
    const events = await bed.ended(executionId, /Reconciled/);
    expect(events.map(({ name }) => name)).toEqual(['ExecutionRequested', 'ExecutionStarted', 'ExecutionUnknown', 'ExecutionReconciled']);
    expect(events[3]?.data).toMatchObject({ result: 'executed', by: 'tool_query', provider_request_id: `effect-of-${executionId}` });
    expect(await bed.opened(events[3])).toEqual({ evidence: `GET ${tool.url}/effects/${executionId} answered HTTP 200\n{"key":"${executionId}","effects":1,"id":"effect-of-${executionId}"}` });
    expect(requestsOf(executionId)).toHaveLength(1);
    await settled(executionId, 'ReservationCommitted');
  });

  test('invariant 6: it did not: believed only once nothing can still be running, and nothing is called again', async () => {
    const { executionId } = await lost(false);
    await bed.until('the tool has said no', async () => tool.asked.includes(executionId));
    const [unknown, asked] = [await bed.names(executionId), await bed.call('GET', `${origin}/v1/executions/${executionId}`, OPERATOR_TOKEN)];
    expect(unknown.at(-1)).toBe('ExecutionUnknown');
    const from = Date.parse(String(asked.body['not_executed_from']));
    const last = (await bed.ended(executionId, /Reconciled/)).at(-1);
    expect(last?.data).toMatchObject({ result: 'not_executed', by: 'tool_query' });
    expect(last?.time).toBeGreaterThanOrEqual(from);
    expect(requestsOf(executionId)).toHaveLength(1);
    await settled(executionId, 'ReservationReleased');
  });

  test('answers that say nothing are asked for again, with growing waits', async () => {
    const first = tool.asked.length;
    tool.behaveWhenAsked((key, nth) => [{ status: 500 }, { hangUp: true }, { body: { key: 'another', effects: 1 } }, { body: { key, effects: 2 } }, { status: 302, headers: { location: '/effects/x' } }][nth - first - 1]);
    const { executionId } = await lost(true);
    await bed.ended(executionId, /Reconciled/);
    expect(tool.asked.slice(first)).toEqual(Array.from({ length: 6 }, () => executionId));
    expect(await bed.row(executionId)).toMatchObject({ status: 'reconciled', asks: 6, ask_at: null, tool_said: 'HTTP 302' });
  });

  test('what is unknown while nobody can be asked is asked about once somebody can', async () => {
    const { executionId } = await lost(true, MUTE_TOOL);
    await bed.until('nobody is there to ask', async () => (await bed.row(executionId))['ask_at'] === null && (await bed.names(executionId)).includes('ExecutionUnknown'));
    const list = (status: string, more = '') => bed.call('GET', `${origin}/v1/executions?status=${status}${more}`, OPERATOR_TOKEN);
    expect((await list('unknown', '&tool=mute.tool&code=CONNECTION_LOST_UNKNOWN')).body['items']).toMatchObject([{ execution_id: executionId, asks: 1, not_executed_from: expect.any(String) }]);
    expect((await list('unknown', '&tool=billing.refund')).body['items']).toEqual([]);
    expect((await list('unknown', '&ended_before=2020-01-01T00:00:00Z')).body['items']).toEqual([]);
    await bed.until('it is counted', async () => /^exequatur_executions_unknown\{[^}]*\} 1$/m.test(await (await fetch(`${origin}/metrics`)).text()));
    await bed.connect(origin, MUTE_TOOL, { type: 'http', settings: { url: `${tool.url}/refunds`, outcome_query: query() } });
    await bed.ended(executionId, /Reconciled/);
    expect((await list('reconciled', '&reconciled_as=executed&tool=mute.tool')).body['items']).toMatchObject([{ execution_id: executionId }]);
    expect((await list('reconciled', '&reconciled_as=not_executed&tool=mute.tool')).body['items']).toEqual([]);
  });

  test('a person may be faster: the tool’s word then changes nothing', async () => {
    let answer = (): void => undefined;
    const answered = new Promise<void>((resolve) => (answer = resolve));
    tool.behaveWhenAsked(() => ({ answerAfter: answered }));
    const first = tool.asked.length;
    const { executionId } = await lost(true);
    await bed.until('the tool is asked', async () => tool.asked.length > first);
    const reply = await bed.post(origin, `/v1/executions/${executionId}/reconcile`, { result: 'executed', evidence: 'seen', reason: 'it stands in the ledger' });
    expect(reply).toMatchObject({ status: 200, body: { status: 'reconciled' } });
    answer();
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await bed.names(executionId)).filter((name) => name === 'ExecutionReconciled')).toHaveLength(1);
    expect((await bed.row(executionId))['status']).toBe('reconciled');
  });

  test('invariant 30: a tool that repeats the credential when it is asked gives nothing away', async () => {
    tool.behaveWhenAsked((key, _, headers) => ({ body: { key, effects: 1, id: headers.authorization, echo: headers } }));
    const { executionId } = await lost(true);
    const last = (await bed.ended(executionId, /Reconciled/)).at(-1);
    const seen = [last?.bytes.toString('utf8'), JSON.stringify(await bed.opened(last)), JSON.stringify(await bed.row(executionId)), (await bed.call('GET', `${origin}/v1/executions/${executionId}`, AGENT_TOKEN)).text].join('\n');
    expect(seen).toContain('[redacted]');
    expect(seen).not.toContain(CANARY);
  });
});
