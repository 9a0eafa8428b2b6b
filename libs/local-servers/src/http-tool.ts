import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { readBody } from './read-body.js';

export type ToolRequest = { method: string; /** With the query. */ path: string; headers: IncomingHttpHeaders; body: Buffer; at: Date };

/** One thing the tool really did. `key` is the request's Idempotency-Key, the executor's effect key. */
export type ToolEffect = { key: string | undefined; request: ToolRequest; at: Date };

/** What the tool does with a request. `{}` has the effect and answers 200 `{"ok":true}` at once. */
export type ToolBehaviour = {
  /** 200 when left out. */
  status?: number;
  headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; bytes as they are. */
  body?: unknown;
  /** Whether the request has its effect: yes below status 400, no above, when left out. */
  effect?: boolean;
  /** Waits before the effect, and between it and the answer. */
  effectAfterMs?: number;
  answerAfterMs?: number;
  /** Has the effect, and answers, once this resolves. */
  effectAfter?: Promise<void>;
  answerAfter?: Promise<void>;
  /** Sends the body in pieces of one byte, this far apart: an answer that has begun and takes its time. */
  trickleMs?: number;
  /** Closes the connection without an answer, after the effect if there is one: the caller cannot tell. */
  hangUp?: boolean;
};

export type HttpTool = {
  /** `http://127.0.0.1:port`, without a slash at the end. */
  url: string;
  /** Every request with its whole body, in order of arrival. */
  received: ToolRequest[];
  /** Every effect, in order: the journal that says what happened, whatever anybody believes. Same key twice is here twice. */
  effects: ToolEffect[];
  /** Sets what happens to later requests; `nth` counts all of them, from 1. */
  behave(behaviour: (request: ToolRequest, nth: number) => ToolBehaviour): void;
  /** Keys that `GET /effects/{key}` was asked about, in order. It answers 200 `{"key","effects","id"}` or 404, and is no request of `received`. */
  asked: string[];
  /** Sets how later questions are answered; undefined: as the journal says. `nth` counts all of them, from 1. */
  behaveWhenAsked(behaviour: (key: string, nth: number, headers: IncomingHttpHeaders) => ToolBehaviour | undefined): void;
  stop(): Promise<void>;
};

const keyOf = (request: ToolRequest): string | undefined => {
  const key = request.headers['idempotency-key'];
  return typeof key === 'string' ? key : undefined;
};

const largestBodyBytes = 10 * 1024 * 1024;

const answer = async (response: ServerResponse, { status = 200, headers = {}, body = { ok: status < 400 }, trickleMs }: ToolBehaviour, wait: (ms: number) => Promise<void>): Promise<void> => {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': bytes.length, ...headers });
  if (trickleMs === undefined) return void response.end(bytes);
  for (const byte of bytes) {
    response.write(Buffer.from([byte]));
    await wait(trickleMs);
  }
  response.end();
};

const QUESTION = /^\/effects\/([^/?]+)$/;

/**
 * A tool over HTTP on 127.0.0.1 that counts what it does and misbehaves as told: for the demo and for fault tests, where its
 * `effects` are the oracle. It does not honour Idempotency-Key, so that a second execution shows.
 * Rejects with the system's error when `port` is taken.
 */
export const startHttpTool = (options: { port?: number } = {}): Promise<HttpTool> => {
  const received: ToolRequest[] = [];
  const effects: ToolEffect[] = [];
  const asked: string[] = [];
  let behaviour: (request: ToolRequest, nth: number) => ToolBehaviour = () => ({});
  let whenAsked: (key: string, nth: number, headers: IncomingHttpHeaders) => ToolBehaviour | undefined = () => undefined;

  const stopped = new AbortController();
  const wait = (ms: number): Promise<void> => delay(ms, undefined, { signal: stopped.signal });

  const journalSays = (key: string): ToolBehaviour => {
    const count = effects.filter((effect) => effect.key === key).length;
    return count === 0 ? { status: 404 } : { body: { key, effects: count, id: `effect-of-${key}` } };
  };

  const say = async (key: string, headers: IncomingHttpHeaders, response: ServerResponse): Promise<void> => {
    const reaction = whenAsked(key, asked.push(key), headers) ?? journalSays(key);
    if (reaction.answerAfterMs !== undefined) await wait(reaction.answerAfterMs);
    await reaction.answerAfter;
    if (reaction.hangUp === true) response.destroy();
    else await answer(response, reaction, wait);
  };

  const serve = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await readBody(incoming, largestBodyBytes);
    const question = incoming.method === 'GET' ? QUESTION.exec(incoming.url ?? '')?.[1] : undefined;
    if (question !== undefined) return say(decodeURIComponent(question), incoming.headers, response);
    const request: ToolRequest = { method: incoming.method ?? '', path: incoming.url ?? '', headers: incoming.headers, body, at: new Date() };
    const reaction = behaviour(request, received.push(request));
    if (reaction.effectAfterMs !== undefined) await wait(reaction.effectAfterMs);
    await reaction.effectAfter;
    if (reaction.effect ?? (reaction.status ?? 200) < 400) effects.push({ key: keyOf(request), request, at: new Date() });
    if (reaction.answerAfterMs !== undefined) await wait(reaction.answerAfterMs);
    await reaction.answerAfter;
    if (reaction.hangUp === true) response.destroy();
    else await answer(response, reaction, wait);
  };

  const server = createServer((incoming, response) => {
    // A request cut off by its caller, or by stop(), needs no answer.
    serve(incoming, response).catch(() => response.destroy());
  });

  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, '127.0.0.1', () => {
      const address = server.address();
      resolve({
        url: `http://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`,
        received,
        effects,
        behave: (next) => (behaviour = next),
        asked,
        behaveWhenAsked: (next) => (whenAsked = next),
        stop: () =>
          new Promise((done) => {
            stopped.abort();
            server.close(() => done());
            server.closeAllConnections();
          }),
      });
    });
  });
};
