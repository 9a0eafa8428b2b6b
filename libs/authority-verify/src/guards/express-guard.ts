import type { IncomingMessage, ServerResponse } from 'node:http';
import { isRefusal, STRICT_JSON_LIMITS } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import type { AuthorizationClaims } from '../authorization-claims.js';
import type { AuthorizationVerifier } from '../authorization-verifier.js';
import { judgeCall, refusalProblem } from './guarded-call.js';
import type { GuardedTool } from './guarded-call.js';

/** A request of Express, Connect or node:http. A guarded one has its strictly parsed arguments as `body`. */
export type GuardedRequest = IncomingMessage & { body?: unknown; authorization?: AuthorizationClaims };

/** Thrown to `next`: a body parser ran first, and what it made of the bytes cannot be judged. A fault of the wiring. */
export class BodyAlreadyParsed extends Error {
  override readonly name = 'BodyAlreadyParsed';
}

/** The bytes as sent: of `express.raw()` when it ran first, else read here. Undefined when there are too many. */
const bodyBytes = async (request: GuardedRequest): Promise<Uint8Array | undefined> => {
  if (request.body instanceof Uint8Array) return request.body;
  if (request.body !== undefined && request.readableEnded) throw new BodyAlreadyParsed('put the guard before express.json()');
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Uint8Array).byteLength;
    if (size > STRICT_JSON_LIMITS.maxBytes) return undefined;
    chunks.push(chunk as Uint8Array);
  }
  return Buffer.concat(chunks);
};

/**
 * Express middleware: `app.post('/send', expressGuard(verifier, { tool, tenant }), handler)`. Put it before any body parser.
 * The handler acts on `request.body`, which is the strict parse of what was hashed; `request.authorization` has the claims.
 */
export const expressGuard =
  (verifier: AuthorizationVerifier, guarded: GuardedTool) =>
  (request: GuardedRequest, response: ServerResponse, next: (error?: unknown) => void): void => {
    void admit(verifier, guarded, request, response).then((admitted) => (admitted ? next() : undefined), next);
  };

const admit = async (verifier: AuthorizationVerifier, guarded: GuardedTool, request: GuardedRequest, response: ServerResponse): Promise<boolean> => {
  const bytes = await bodyBytes(request);
  if (bytes === undefined) {
    response.writeHead(413, { connection: 'close' }).end();
    return false;
  }
  const verdict = await judgeCall(verifier, guarded, request.headers, bytes);
  if (isRefusal(verdict)) {
    const problem = refusalProblem(verdict);
    response.writeHead(problem.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(problem));
    return false;
  }
  Object.assign(request, { body: verdict.value satisfies JsonValue, authorization: verdict.authorization });
  return true;
};
