import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Principal } from '../identity/principal.js';

export interface HttpRequest extends FastifyRequest {
  /** The body exactly as it was received; absent when there was none. Input hashes and signatures cover these bytes. */
  rawBody?: Buffer;
  /** Set by the guard; absent on public routes called without a credential. */
  principal?: Principal;
  /** W3C trace context: the caller's, or one that begins here. Hand it to the events the request causes. */
  traceparent?: string;
  /** Set by the guard on routes marked with @Page. */
  isPage?: true;
}
export type HttpReply = FastifyReply;

export const NO_BYTES = Buffer.alloc(0);

/** The request body's bytes as received; empty when there was none. */
export const RawBody = createParamDecorator((_: unknown, context: ExecutionContext): Buffer => context.switchToHttp().getRequest<HttpRequest>().rawBody ?? NO_BYTES);

/** The Fastify request, for `runIdempotent`. */
export const Http = createParamDecorator((_: unknown, context: ExecutionContext): HttpRequest => context.switchToHttp().getRequest<HttpRequest>());
