import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Witness, WitnessAnswer } from './witness.js';
import type { WitnessMemory } from './witness-memory.js';

/** A note and 63 hashes fit many times. */
const MOST_BODY_BYTES = 128 * 1024;
const REQUEST_TIMEOUT_MS = 10_000;

const textOf = async (request: IncomingMessage): Promise<string | undefined> => {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    length += part.length;
    if (length > MOST_BODY_BYTES) return undefined;
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
};

const answer = (response: ServerResponse, status: number, body: string, contentType = 'text/plain; charset=utf-8'): void => {
  response.writeHead(status, { 'content-type': contentType, 'x-content-type-options': 'nosniff', 'cache-control': 'no-store' }).end(body);
};

/**
 * `POST /add-checkpoint` (c2sp.org/tlog-witness), `GET /heads/{SHA-256 of the origin in hex}` for those who verify: the newest
 * note cosigned here, and `GET /livez`. Everything it says is public.
 */
const handle = async (witness: Witness, memory: WitnessMemory, request: IncomingMessage, response: ServerResponse): Promise<void> => {
  const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
  if (path === '/livez' && request.method === 'GET') return answer(response, 200, 'ok\n');
  const [, name] = /^\/heads\/([0-9a-f]{64})$/.exec(path) ?? [];
  if (name !== undefined && request.method === 'GET') {
    const head = memory.named(name);
    return head === undefined ? answer(response, 404, 'nothing of this log was cosigned here\n') : answer(response, 200, head.note);
  }
  if (path !== '/add-checkpoint') return answer(response, 404, 'there is nothing here\n');
  if (request.method !== 'POST') return answer(response, 405, 'POST only\n');
  const body = await textOf(request);
  if (body === undefined) return answer(response, 413, 'too large\n');
  const result: WitnessAnswer = witness.add(body);
  return answer(response, result.status, result.body, result.contentType);
};

export interface RunningWitness {
  readonly origin: string;
  stop(): Promise<void>;
}

/** Listens; port 0 takes a free one. A failure to remember answers 500 and cosigns nothing. */
export const serveWitness = async (witness: Witness, memory: WitnessMemory, { port, host, failed = () => undefined }: { readonly port: number; readonly host: string; readonly failed?: (error: unknown) => void }): Promise<RunningWitness> => {
  const server: Server = createServer({ requestTimeout: REQUEST_TIMEOUT_MS }, (request, response) => {
    handle(witness, memory, request, response).catch((error: unknown) => {
      failed(error);
      if (!response.headersSent) answer(response, 500, 'the head could not be kept, so it is not cosigned\n');
      else response.destroy();
    });
  });
  await new Promise<void>((listening, refused) => server.once('error', refused).listen(port, host, listening));
  const { port: taken } = server.address() as AddressInfo;
  return {
    origin: `http://${host.includes(':') ? `[${host}]` : host}:${taken}`,
    stop: () =>
      new Promise((stopped) => {
        server.close(() => stopped());
        server.closeAllConnections();
      }),
  };
};
