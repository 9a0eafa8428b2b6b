import { lookup } from 'node:dns/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startHttpTool } from '@exequatur/local-servers';
import type { HttpTool } from '@exequatur/local-servers';
import type { HttpSettings } from '../connectors/connector.js';
import { DEFAULT_PRIVATE_NETWORKS } from '../egress/admit-address.js';
import { Egress } from '../egress/egress.js';
import { LIMITS } from '../limits.js';
import { callHttpTool } from './call-http-tool.js';
import type { NotSent, ToolCall } from './tool-call.js';

const call = (changes: Partial<ToolCall> = {}): ToolCall => ({ effectKey: 'key', bytes: Buffer.from('{"a":1}'), runtimeMs: 20_000, mayBegin: () => undefined, ...changes });

const EGRESS = new Egress(DEFAULT_PRIVATE_NETWORKS, (host) => lookup(host, { all: true }));
const local = (url: string, more: Partial<HttpSettings> = {}): HttpSettings => ({ url, private_networks: ['127.0.0.1'], ...more });

describe('one call of an HTTP tool', () => {
  let tool: HttpTool;
  beforeAll(async () => {
    tool = await startHttpTool();
  });
  afterAll(() => tool.stop());

  test.each<[NotSent['because']]>([['too_late'], ['abandoned'], ['cap'], ['egress']])('invariant 2: the last gate stands after the connection is there: %s', async (because) => {
    const before = tool.received.length;
    let asked = 0;
    const result = await callHttpTool(local(tool.url), undefined, call({ mayBegin: () => (++asked === 2 ? { phase: 'not_sent', because } : undefined) }), EGRESS);
    expect(asked).toBe(2);
    expect(result.ending).toEqual({ phase: 'not_sent', because });
    expect(tool.received).toHaveLength(before);
  });

  test('a server that takes the connection and drops it may have acted', async () => {
    let connections = 0;
    const server = createServer((socket) => {
      connections += 1;
      socket.once('data', () => socket.destroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const result = await callHttpTool(local(`http://127.0.0.1:${(server.address() as AddressInfo).port}`), undefined, call(), EGRESS);
    expect(result.ending).toEqual({ phase: 'sent', because: 'connection_lost' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(connections).toBe(1);
    await new Promise((resolve) => server.close(resolve));
  });

  test('a host that does not exist is provably not sent', async () => {
    const result = await callHttpTool({ url: 'http://no-such-host.invalid/' }, undefined, call(), EGRESS);
    expect(result.ending).toEqual({ phase: 'not_sent', because: 'unreachable' });
  });

  test('an answer without end is read to a bound', async () => {
    tool.behave(() => ({ body: Buffer.alloc(1_000_000, 'x') }));
    const result = await callHttpTool(local(tool.url), undefined, call(), EGRESS);
    expect(result.ending).toEqual({ phase: 'answered', answer: 'done' });
    expect(result.excerpt).toHaveLength(LIMITS.resultBytes);
    tool.behave(() => ({}));
  });

  test('invariant 30: what a tool repeats of the credential is struck out', async () => {
    tool.behave(({ headers }) => ({ body: { seen: headers.authorization, id: 'canary-"1"' } }));
    const result = await callHttpTool(local(tool.url), { bearer_token: 'canary-"1"' }, call(), EGRESS);
    expect(tool.received.at(-1)?.headers.authorization).toBe('Bearer canary-"1"');
    expect(result.excerpt).toBe('HTTP 200\n{"seen":"Bearer [redacted]","id":"[redacted]"}');
    expect(result.providerRequestId).toBeUndefined();
    tool.behave(() => ({}));
  });
});
