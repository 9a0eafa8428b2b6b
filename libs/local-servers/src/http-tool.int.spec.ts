import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startHttpTool, type HttpTool } from './index.js';

describe('startHttpTool', () => {
  let tool: HttpTool;
  const call = (key: string, body = '{"amount":"5"}', signal?: AbortSignal): Promise<Response> =>
    fetch(`${tool.url}/refunds?dry=no`, { method: 'POST', headers: { 'idempotency-key': key, 'content-type': 'application/json' }, body, ...(signal === undefined ? {} : { signal }) });

  beforeEach(async () => {
    tool = await startHttpTool();
  });
  afterEach(() => tool.stop());

  test('records requests with their bytes and effects with their key', async () => {
    const response = await call('exe_1');
    expect([response.status, await response.json()]).toEqual([200, { ok: true }]);
    expect(tool.received).toHaveLength(1);
    expect(tool.received[0]).toMatchObject({ method: 'POST', path: '/refunds?dry=no', headers: { 'content-type': 'application/json' } });
    expect(tool.received[0]?.body.toString()).toBe('{"amount":"5"}');
    expect(tool.effects.map(({ key }) => key)).toEqual(['exe_1']);
  });

  test('a second execution under the same key is seen as a second effect', async () => {
    await call('exe_1');
    await call('exe_1');
    expect(tool.effects.map(({ key }) => key)).toEqual(['exe_1', 'exe_1']);
  });

  test('answers as told; an error has no effect unless told', async () => {
    tool.behave((request, nth) => (nth === 1 ? { status: 503, headers: { 'retry-after': '1' }, body: { error: 'busy' } } : { status: 500, effect: true }));
    const busy = await call('exe_1');
    expect([busy.status, busy.headers.get('retry-after'), await busy.json()]).toEqual([503, '1', { error: 'busy' }]);
    expect(tool.effects).toEqual([]);
    expect((await call('exe_2')).status).toBe(500);
    expect(tool.effects.map(({ key }) => key)).toEqual(['exe_2']);
  });

  test.each([[true, ['exe_1']], [false, []]])('hangs up without an answer, effect %s', async (effect, keys) => {
    tool.behave(() => ({ hangUp: true, effect }));
    await expect(call('exe_1')).rejects.toThrow('fetch failed');
    expect(tool.effects.map(({ key }) => key)).toEqual(keys);
  });

  test('has its effect although the caller gave up waiting', async () => {
    const caller = new AbortController();
    tool.behave(() => ({ answerAfterMs: 60_000 }));
    const asked = expect(call('exe_1', '{}', caller.signal)).rejects.toThrow('gave up');
    while (tool.effects.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    caller.abort(new Error('gave up'));
    await asked;
    expect(tool.effects).toHaveLength(1);
  });

  test('says by key what it did, which is no request of its own', async () => {
    await call('exe_1');
    expect(await (await fetch(`${tool.url}/effects/exe_1`)).json()).toEqual({ key: 'exe_1', effects: 1, id: 'effect-of-exe_1' });
    expect((await fetch(`${tool.url}/effects/exe_2`)).status).toBe(404);
    tool.behaveWhenAsked((_, nth) => (nth === 3 ? { status: 500 } : undefined));
    expect((await fetch(`${tool.url}/effects/exe_1`)).status).toBe(500);
    expect((await fetch(`${tool.url}/effects/exe_1`)).status).toBe(200);
    expect(tool.asked).toEqual(['exe_1', 'exe_2', 'exe_1', 'exe_1']);
    expect([tool.received.length, tool.effects.length]).toEqual([1, 1]);
  });

  test('an answer may take its time once it has begun', async () => {
    tool.behave(() => ({ body: Buffer.from('abc'), trickleMs: 5 }));
    expect(await (await call('exe_1')).text()).toBe('abc');
  });

  test('a taken port is an error', async () => {
    await expect(startHttpTool({ port: Number(new URL(tool.url).port) })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  });
});
