import type { LookupAddress } from 'node:dns';
import type { Socket } from 'node:net';
import { buildConnector, Client } from 'undici';
import type { Dispatcher } from 'undici';
import { isPinned, pinnedLookup } from '../egress/pinned-connection.js';
import { LIMITS } from '../limits.js';
import { notSent } from './tool-call.js';
import type { NotSent } from './tool-call.js';

/** One HTTP request to judged addresses. */
export interface Exchange {
  readonly url: URL;
  /** every address the host has; nothing else is connected to */
  readonly addresses: readonly LookupAddress[];
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** ends it, whatever it is doing */
  readonly signal: AbortSignal;
  /** Asked once, right before the first byte is written. */
  readonly mayWrite: () => NotSent | undefined;
}

export type Exchanged =
  | { readonly kind: 'answered'; readonly status: number; readonly headers: Dispatcher.ResponseData['headers']; readonly body: Buffer }
  /** No byte of the request was handed to the connection. */
  | { readonly kind: 'not_sent'; readonly ending: NotSent }
  /** Something was, and no answer came. */
  | { readonly kind: 'lost' };

/** Where the request stands: not a byte of it is out, never will be, or some may be. */
type Progress = { state: 'unsent' } | { state: 'refused'; ending: NotSent } | { state: 'sent' };

/**
 * A connection of its own, used for one request: after its first byte nothing is ever sent a second time. No redirects, no
 * retries, a bounded answer. Never throws; errors of the connection may quote headers, and how far it came says all that matters.
 */
export const exchange = async ({ url, addresses, method, headers, body, signal, mayWrite }: Exchange): Promise<Exchanged> => {
  const progress: { now: Progress } = { now: { state: 'unsent' } };
  const connect = gatedConnect(progress, addresses, () => (signal.aborted ? notSent('unreachable') : mayWrite()));
  const client = new Client(url.origin, { connect, pipelining: 1, headersTimeout: 0, bodyTimeout: 0 });
  try {
    const response = await client.request({ path: `${url.pathname}${url.search}`, method, headers, ...(body === undefined ? {} : { body }), idempotent: false, signal });
    return { kind: 'answered', status: response.statusCode, headers: response.headers, body: await beginning(response.body) };
  } catch {
    const { now } = progress;
    if (now.state === 'refused') return { kind: 'not_sent', ending: now.ending };
    // What is given up here must not be written by a connection that comes about late.
    progress.now = { state: 'refused', ending: notSent('unreachable') };
    return now.state === 'unsent' ? { kind: 'not_sent', ending: notSent('unreachable') } : { kind: 'lost' };
  } finally {
    client.destroy().catch(() => undefined);
  }
};

const gatedConnect = (progress: { now: Progress }, addresses: readonly LookupAddress[], mayWrite: () => NotSent | undefined): buildConnector.connector => {
  const connect = buildConnector({ timeout: LIMITS.connectMs, lookup: pinnedLookup(addresses) });
  let connections = 0;
  return (options, callback) => {
    connections += 1;
    if (connections > 1) return callback(new Error('a second connection for one request'), null);
    connect(options, (error, socket) => {
      if (error !== null || socket === null) return callback(error ?? new Error('no connection'), null);
      if (!isPinned(socket, addresses)) {
        progress.now = { state: 'refused', ending: notSent('egress') };
        socket.destroy();
        return callback(new Error('connected to an address that was not judged'), null);
      }
      gateFirstWrite(socket, progress, mayWrite);
      callback(null, socket);
    });
  };
};

/** The last gate: between "connected" (TLS included) and the first byte, in the same turn of the event loop as the write. */
const gateFirstWrite = (socket: Socket, progress: { now: Progress }, mayWrite: () => NotSent | undefined): void => {
  const write = socket.write.bind(socket) as (...parts: unknown[]) => boolean;
  socket.write = (...parts: unknown[]): boolean => {
    if (progress.now.state === 'unsent') {
      const ending = mayWrite();
      progress.now = ending === undefined ? { state: 'sent' } : { state: 'refused', ending };
      if (ending !== undefined) socket.destroy(new Error('the request may not begin'));
    }
    return progress.now.state === 'sent' && write(...parts);
  };
};

/** Twice what is kept: a secret that the cut would halve is seen as a whole. */
const READ_BYTES = 2 * LIMITS.resultBytes;

/** The first bytes of the answer; the rest is not read. A status was seen, so a body that breaks off changes nothing. */
const beginning = async (body: Dispatcher.ResponseData['body']): Promise<Buffer> => {
  const chunks: Buffer[] = [];
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      chunks.push(chunk);
      size += chunk.length;
      if (size >= READ_BYTES) break;
    }
  } catch {
    return Buffer.concat(chunks).subarray(0, READ_BYTES);
  }
  return Buffer.concat(chunks).subarray(0, READ_BYTES);
};
