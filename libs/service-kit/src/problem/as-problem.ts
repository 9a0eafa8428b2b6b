import { HttpException } from '@nestjs/common';
import { StrictJsonError, isRefusal } from '@exequatur/kernel';
import { KeyDestroyed } from '@exequatur/sealing';
import { VersionConflict } from '@exequatur/event-store';
import type { Code } from '@exequatur/contracts';
import { faultKind } from '../database/pg-fault.js';
import { isError } from './is-error.js';
import { Problem, problemOf } from './problem.js';

const BY_STATUS: Readonly<Record<number, Code>> = { 400: 'MALFORMED', 401: 'UNAUTHENTICATED', 403: 'FORBIDDEN', 404: 'NOT_FOUND', 405: 'METHOD_NOT_ALLOWED', 413: 'TOO_LARGE', 415: 'UNSUPPORTED_MEDIA_TYPE', 429: 'BUSY', 503: 'DEPENDENCY_DOWN' };

const RETRY_AFTER_SECONDS = 1;

/** Status of an error of Fastify or Nest, which both say what the client did wrong. */
const statusOf = (error: Error): number | undefined => {
  if (error instanceof HttpException) return error.getStatus();
  return 'statusCode' in error && typeof error.statusCode === 'number' ? error.statusCode : undefined;
};

/**
 * Any thrown value as what the caller may see: our own problems and refusals as they are, an unreachable database as
 * DEPENDENCY_DOWN, contention as BUSY or CONFLICT, the rest as INTERNAL without a word about what it was.
 */
export const asProblem = (error: unknown): Problem => {
  if (error instanceof Problem) return error;
  if (isRefusal(error)) return problemOf(error);
  if (error instanceof StrictJsonError) return new Problem(error.code, error.reason, error.pointer === '' ? undefined : [{ pointer: error.pointer, expected: error.reason }]);
  // Somebody else's event came between reading and appending; the request was not carried out.
  if (error instanceof VersionConflict) return new Problem('CONFLICT', 'it was changed at the same moment');
  if (error instanceof KeyDestroyed) return new Problem('CONFLICT', 'the action was erased');
  const kind = faultKind(error);
  if (kind === 'waited') return new Problem('BUSY', undefined, undefined, RETRY_AFTER_SECONDS);
  if (kind === 'unavailable') return new Problem('DEPENDENCY_DOWN', undefined, undefined, RETRY_AFTER_SECONDS);
  const status = isError(error) ? statusOf(error) : undefined;
  return new Problem((status === undefined ? undefined : BY_STATUS[status]) ?? (status !== undefined && status >= 400 && status < 500 ? 'MALFORMED' : 'INTERNAL'));
};
