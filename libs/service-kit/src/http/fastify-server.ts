import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { newId } from '@exequatur/kernel';
import type { FastifyInstance } from 'fastify';
import { asProblem } from '../problem/as-problem.js';
import type { Admission } from './admission.js';
import { AnsweringAdapter } from './answering-adapter.js';
import { registerBodies } from './bodies.js';
import type { HttpReply, HttpRequest } from './http-request.js';
import { HTTP_LIMITS } from './limits.js';
import { refuseUnreadable } from './unreadable.js';
import { sendProblem } from '../problem/send-problem.js';

/** Everything we serve may hold authority or personal data: nothing is cached, framed, sniffed or referred. Pages widen the CSP. */
const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
};

/** Answered also when the service is full: they tell that it is. */
const ALWAYS_ADMITTED = new Set(['/livez', '/readyz', '/metrics']);

const REQUEST_ID = /^[A-Za-z0-9_.-]{1,64}$/;
/** W3C Trace Context, version 00. */
const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

const requestIdOf = (given: string | string[] | undefined): string => (typeof given === 'string' && REQUEST_ID.test(given) ? given : newId());
/** 32 digits, 122 of their bits random, from the generator's cache. */
const randomHex = (): string => randomUUID().replaceAll('-', '');
const traceparentOf = (given: string | string[] | undefined): string =>
  typeof given === 'string' && TRACEPARENT.test(given) ? given : `00-${randomHex()}-${randomHex().slice(16)}-01`;

const identify = (request: HttpRequest, reply: HttpReply, secure: boolean): void => {
  request.traceparent = traceparentOf(request.headers['traceparent']);
  reply.headers({ ...SECURITY_HEADERS, 'x-request-id': request.id });
  if (secure) reply.header('strict-transport-security', 'max-age=31536000');
};

const admit = (admission: Admission, request: HttpRequest, reply: HttpReply): void => {
  if (ALWAYS_ADMITTED.has(request.url.split('?', 1)[0] ?? '')) return;
  admission.enter();
  reply.raw.once('close', () => admission.leave(request));
};

/** The Fastify adapter of one service, with bodies, bounds and headers in place; routes come from Nest. `secure`: reached by https. */
export const fastifyServer = (admission: Admission, { secure }: { readonly secure: boolean }): { readonly adapter: AnsweringAdapter; readonly server: FastifyInstance } => {
  const adapter = new AnsweringAdapter({
    logger: false,
    bodyLimit: HTTP_LIMITS.bodyBytes,
    requestTimeout: HTTP_LIMITS.receiveMs,
    keepAliveTimeout: HTTP_LIMITS.keepAliveMs,
    http: { maxHeaderSize: HTTP_LIMITS.headerBytes },
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: HTTP_LIMITS.parameterLength },
    clientErrorHandler: (error, socket) => refuseUnreadable(error, socket),
    genReqId: ({ headers }: IncomingMessage) => requestIdOf(headers['x-request-id']),
    // A path that cannot be decoded never reaches a route.
    frameworkErrors: (error: Error, _request: HttpRequest, reply: HttpReply) => sendProblem(reply, asProblem(error)),
  });
  const server = adapter.getInstance<FastifyInstance>();
  registerBodies(server);
  server.addHook('onRequest', (request: HttpRequest, reply, done) => {
    identify(request, reply, secure);
    try {
      admit(admission, request, reply);
    } catch (error) {
      sendProblem(reply, asProblem(error));
      return;
    }
    done();
  });
  return { adapter, server };
};
