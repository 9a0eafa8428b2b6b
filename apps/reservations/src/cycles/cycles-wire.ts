import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { OnModuleInit } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import { PROBLEM_CONTENT_TYPE } from '@exequatur/service-kit';
import type { HttpReply, HttpRequest, ProblemDocument } from '@exequatur/service-kit';
import type { FastifyInstance } from 'fastify';
import { errorResponse } from './cycles-error.js';

export const CYCLES_PREFIX = '/cycles/';
const TRACE_ID = /^(?!0{32})[0-9a-f]{32}$/;
const isCycles = ({ url }: HttpRequest): boolean => url.startsWith(CYCLES_PREFIX);

const single = (value: string | readonly string[] | undefined): string | undefined => (typeof value === 'string' ? value : undefined);

/** The trace of a request: `traceparent` first, which service-kit has read already; else the protocol's own header; else a new one. */
const traceOf = (request: HttpRequest): string => {
  const { headers } = request;
  const own = single(headers['x-cycles-trace-id']);
  const parent = request.traceparent ?? '';
  if (own !== undefined && TRACE_ID.test(own) && headers['traceparent'] !== parent) {
    request.traceparent = `00-${own}-${randomBytes(8).toString('hex')}-01`;
    return own;
  }
  return parent.split('-')[1] ?? '';
};

/**
 * What differs on the wire below /cycles, in one place and for every answer, those included that no route gave: the credential
 * stands in X-Cycles-API-Key, the trace id is echoed, and a problem document goes out as the protocol's ErrorResponse.
 */
@Injectable()
export class CyclesWire implements OnModuleInit {
  constructor(private readonly adapters: HttpAdapterHost) {}

  onModuleInit(): void {
    const server = this.adapters.httpAdapter.getInstance<FastifyInstance>();
    server.addHook('onRequest', (request, reply, done) => {
      if (isCycles(request)) begin(request, reply);
      done();
    });
    server.addHook('onSend', (request, reply, payload, done) => {
      if (isCycles(request) && reply.getHeader('content-type') === PROBLEM_CONTENT_TYPE) done(null, rewritten(request, reply, payload));
      else done();
    });
  }
}

const begin = (request: HttpRequest, reply: HttpReply): void => {
  const key = single(request.headers['x-cycles-api-key']);
  // One credential, two spellings; the protocol's own counts when both are there.
  if (key !== undefined) request.headers.authorization = `Bearer ${key}`;
  reply.header('x-cycles-trace-id', traceOf(request));
};

const rewritten = (request: HttpRequest, reply: HttpReply, payload: unknown): Buffer => {
  const problem = JSON.parse(String(payload)) as ProblemDocument;
  const traceId = String(reply.getHeader('x-cycles-trace-id') ?? traceOf(request));
  const { status, body } = errorResponse(problem, request.id, traceId);
  reply.code(status).header('x-cycles-trace-id', traceId).header('content-type', 'application/json; charset=utf-8');
  return Buffer.from(JSON.stringify(body), 'utf8');
};
