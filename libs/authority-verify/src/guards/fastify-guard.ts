import type { JsonValue } from '@exequatur/kernel';
import { isRefusal } from '@exequatur/kernel';
import type { AuthorizationClaims } from '../authorization-claims.js';
import type { AuthorizationVerifier } from '../authorization-verifier.js';
import { judgeCall, refusalProblem } from './guarded-call.js';
import type { GuardedTool, Headers } from './guarded-call.js';

/** As much of Fastify's request and reply as the guard touches; a type of ours, so that this library needs no Fastify. */
export interface FastifyRequestLike {
  readonly headers: Headers;
  body: unknown;
}
export interface FastifyReplyLike {
  code(status: number): FastifyReplyLike;
  type(contentType: string): FastifyReplyLike;
  send(payload: unknown): unknown;
}

/** On the request of a guarded route: `(request as typeof request & Guarded).authorization`. */
export interface Guarded {
  readonly authorization: AuthorizationClaims;
  readonly body: JsonValue;
}

/** For `app.addContentTypeParser('application/json', { parseAs: 'buffer' }, rawBody)`: the guard needs the bytes as sent. */
export const rawBody = (_request: unknown, body: Buffer, done: (error: Error | null, body?: unknown) => void): void => {
  done(null, body);
};

/**
 * `app.post('/send', { preHandler: fastifyGuard(verifier, { tool, tenant }) }, handler)` with `rawBody` as the parser of JSON.
 * The handler acts on `request.body`, which is then the strict parse of what was hashed.
 */
export const fastifyGuard =
  (verifier: AuthorizationVerifier, guarded: GuardedTool) =>
  async (request: FastifyRequestLike, reply: FastifyReplyLike): Promise<void> => {
    if (!(request.body instanceof Uint8Array)) throw new Error('a guarded route needs rawBody as its content type parser');
    const verdict = await judgeCall(verifier, guarded, request.headers, request.body);
    if (isRefusal(verdict)) {
      const problem = refusalProblem(verdict);
      // Fastify ends the route when a hook has sent the reply.
      await reply.code(problem.status).type('application/problem+json').send(JSON.stringify(problem));
      return;
    }
    Object.assign(request, { body: verdict.value, authorization: verdict.authorization });
  };
