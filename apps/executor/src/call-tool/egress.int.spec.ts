import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startHttpTool, startSmtpSink } from '@exequatur/local-servers';
import type { HttpTool, SmtpSink } from '@exequatur/local-servers';
import { judgeCall } from '@exequatur/executor-domain';
import type { Caps } from '@exequatur/contracts';
import type { HttpSettings } from '../connectors/connector.js';
import { DEFAULT_PRIVATE_NETWORKS } from '../egress/admit-address.js';
import { Egress } from '../egress/egress.js';
import { callHttpTool } from './call-http-tool.js';
import { sendMail } from './send-mail.js';
import type { ToolCall } from './tool-call.js';

const GRANT = { amounts: [], risk_points: 1, tool: { name: 'billing.refund' }, facts: {} };
const BYTES = Buffer.from('{"to":"a@x.example"}');
const CREDENTIAL = { bearer_token: 'canary-of-the-tool' };

const call = (caps: Caps = {}, runtimeMs = 20_000): ToolCall => ({ effectKey: 'key-1', bytes: BYTES, runtimeMs, mayBegin: (facts) => judgeCall(caps, GRANT, facts) });

/** A name server that answers as told, one answer a look-up; the last one repeats. */
const resolving = (...answers: readonly (readonly string[])[]): { readonly egress: Egress; readonly lookups: () => number } => {
  let lookups = 0;
  const egress = new Egress(DEFAULT_PRIVATE_NETWORKS, async () => {
    const answer = answers[Math.min(lookups, answers.length - 1)] ?? [];
    lookups += 1;
    return answer.map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  });
  return { egress, lookups: () => lookups };
};
const LITERALS = resolving([]).egress;

/** A bare TCP server: what happens to a connection is the test's own affair. */
const listening = async (onConnection: (socket: Socket) => void, host = '127.0.0.1'): Promise<{ readonly port: number; readonly close: () => Promise<void> }> => {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  server.listen(0, host);
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: (server.address() as AddressInfo).port, close };
};

describe('egress at the socket', () => {
  let tool: HttpTool;
  let other: HttpTool;
  let sink: SmtpSink;
  beforeAll(async () => {
    [tool, other, sink] = await Promise.all([startHttpTool(), startHttpTool(), startSmtpSink()]);
  });
  afterAll(async () => {
    await Promise.all([tool.stop(), other.stop(), sink.stop()]);
  });
  beforeEach(() => {
    tool.behave(() => ({}));
    other.behave(() => ({}));
  });

  const portOf = ({ url }: HttpTool): string => new URL(url).port;
  const named = (more: Partial<HttpSettings> = {}): HttpSettings => ({ url: `http://tool.example:${portOf(tool)}/refunds`, private_networks: ['127.0.0.1'], ...more });
  const local = (more: Partial<HttpSettings> = {}): HttpSettings => ({ url: tool.url, private_networks: ['127.0.0.1'], ...more });

  describe('a name', () => {
    test('is looked up once; a later answer of the name server changes nothing', async () => {
      const { egress, lookups } = resolving(['127.0.0.1'], ['10.255.255.1']);
      const result = await callHttpTool(named(), undefined, call(), egress);
      expect(result.ending).toEqual({ phase: 'answered', answer: 'done' });
      expect(tool.received.at(-1)?.headers.host).toBe(`tool.example:${portOf(tool)}`);
      expect(lookups()).toBe(1);
    });

    test.each([[['127.0.0.1']], [['8.8.8.8', '127.0.0.1']], [['::ffff:127.0.0.1']], [['169.254.169.254']], [['::1']]])('that leads inside, to %j, is refused unless declared', async (addresses) => {
      const before = tool.received.length;
      const result = await callHttpTool(named({ private_networks: [] }), undefined, call(), resolving(addresses).egress);
      expect(result.ending).toEqual({ phase: 'not_sent', because: 'egress' });
      expect(tool.received).toHaveLength(before);
    });

    test('that takes too long to be found out is provably not sent', async () => {
      const egress = new Egress(DEFAULT_PRIVATE_NETWORKS, () => new Promise(() => undefined));
      expect((await callHttpTool(named(), undefined, call({}, 100), egress)).ending).toEqual({ phase: 'not_sent', because: 'unreachable' });
    });

    test('of a mail server is held to the same', async () => {
      const settings = { host: 'mail.example', port: sink.port, from: 'agent@acme.example' };
      const { egress, lookups } = resolving(['127.0.0.1'], ['10.255.255.1']);
      expect((await sendMail(settings, undefined, call(), egress)).ending).toEqual({ phase: 'not_sent', because: 'egress' });
      expect(sink.messages).toHaveLength(0);
      const again = resolving(['127.0.0.1'], ['10.255.255.1']);
      expect((await sendMail({ ...settings, private_networks: ['127.0.0.0/8'] }, undefined, call(), again.egress)).ending).toEqual({ phase: 'answered', answer: 'done' });
      expect([lookups(), again.lookups()]).toEqual([1, 1]);
    });
  });

  test('IPv6 is reached when it is declared', async () => {
    const server = await listening((socket) => socket.once('data', () => socket.end('HTTP/1.1 204 No Content\r\n\r\n')), '::1');
    const url = `http://[::1]:${server.port}/`;
    expect((await callHttpTool({ url, private_networks: ['::1'] }, undefined, call({ network_allowlist: ['[::1]'] }), LITERALS)).ending).toEqual({ phase: 'answered', answer: 'done' });
    expect((await callHttpTool({ url, private_networks: ['127.0.0.1'] }, undefined, call(), LITERALS)).ending).toEqual({ phase: 'not_sent', because: 'egress' });
    await server.close();
  });

  describe('a redirect', () => {
    const redirecting = (status: number, location: string): void => tool.behave(() => ({ status, headers: { location }, effect: false }));

    test('is not followed unless the connector says that the tool has not acted then', async () => {
      redirecting(307, `${other.url}/moved`);
      const before = other.received.length;
      expect((await callHttpTool(local(), CREDENTIAL, call(), LITERALS)).ending).toEqual({ phase: 'answered', answer: 'unclear' });
      expect(other.received).toHaveLength(before);
    });

    test('is followed with the same bytes and effect key, and without the credential to another origin', async () => {
      redirecting(308, `${other.url}/moved`);
      expect((await callHttpTool(local({ redirects: 1 }), CREDENTIAL, call(), LITERALS)).ending).toEqual({ phase: 'answered', answer: 'done' });
      const request = other.received.at(-1);
      expect(request).toMatchObject({ method: 'POST', path: '/moved', headers: { 'idempotency-key': 'key-1' } });
      expect(request?.body).toEqual(BYTES);
      expect(request?.headers.authorization).toBeUndefined();
      expect(tool.received.at(-1)?.headers.authorization).toBe('Bearer canary-of-the-tool');
    });

    test.each<[string, (portOfOther: string) => string, Caps]>([
      ['to a host that the caps do not allow', (port) => `http://127.0.0.1:${port}/`, { network_allowlist: ['127.0.0.1:1', 'tool.example'] }],
      ['to an address that is not declared', (port) => `http://127.0.0.2:${port}/`, {}],
      ['to where clouds hand out credentials', () => 'http://169.254.169.254/latest/', {}],
      ['in a mapped spelling', (port) => `http://[::ffff:127.0.0.2]:${port}/`, {}],
    ])('%s is refused, and nothing was done', async (_, location, caps) => {
      redirecting(307, location(portOf(other)));
      const before = other.received.length;
      const allowed = caps.network_allowlist === undefined ? caps : { network_allowlist: [...caps.network_allowlist, `127.0.0.1:${portOf(tool)}`] };
      expect((await callHttpTool(local({ redirects: 3 }), undefined, call(allowed), LITERALS)).ending).toEqual({ phase: 'not_sent', because: 'egress' });
      expect(other.received).toHaveLength(before);
    });

    test('that leads in circles ends at its bound', async () => {
      const before = tool.received.length;
      redirecting(307, '/again');
      expect((await callHttpTool(local({ redirects: 2 }), undefined, call(), LITERALS)).ending).toEqual({ phase: 'not_sent', because: 'egress' });
      expect(tool.received.length - before).toBe(3);
    });

    test.each([301, 302, 303, 300])('of status %i would change the request: it is an unclear answer', async (status) => {
      redirecting(status, `${other.url}/moved`);
      expect((await callHttpTool(local({ redirects: 3 }), undefined, call(), LITERALS)).ending).toEqual({ phase: 'answered', answer: 'unclear' });
    });
  });

  describe('max runtime', () => {
    test('before a byte is out: provably not sent', async () => {
      // Takes the connection and never answers the TLS handshake.
      let heard = Buffer.alloc(0);
      const server = await listening((socket) => socket.on('data', (chunk) => (heard = Buffer.concat([heard, chunk]))));
      const result = await callHttpTool({ url: `https://127.0.0.1:${server.port}/`, private_networks: ['127.0.0.1'] }, undefined, call({}, 300), LITERALS);
      expect(result.ending).toEqual({ phase: 'not_sent', because: 'unreachable' });
      expect(heard.includes('key-1')).toBe(false);
      await server.close();
    });

    test('after the first byte: unknown', async () => {
      tool.behave(() => ({ answerAfterMs: 20_000 }));
      expect((await callHttpTool(local(), undefined, call({}, 2_000), LITERALS)).ending).toEqual({ phase: 'sent', because: 'timeout' });
    });

    test('in the middle of an answer: what its status said', async () => {
      tool.behave(() => ({ body: Buffer.alloc(1_000, 'x'), trickleMs: 50 }));
      const result = await callHttpTool(local(), undefined, call({}, 3_000), LITERALS);
      expect(result.ending).toEqual({ phase: 'answered', answer: 'done' });
      expect(result.excerpt.length).toBeLessThan(100);
    });
  });

  test('headers without end are cut off, and what happened is unknown', async () => {
    const server = await listening((socket) => socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\n${`x-filler: ${'x'.repeat(1_000)}\r\n`.repeat(100)}`)));
    const result = await callHttpTool({ url: `http://127.0.0.1:${server.port}/`, private_networks: ['127.0.0.1'] }, undefined, call(), LITERALS);
    expect(result.ending).toEqual({ phase: 'sent', because: 'connection_lost' });
    await server.close();
  });
});
