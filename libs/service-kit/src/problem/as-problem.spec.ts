import { NotFoundException } from '@nestjs/common';
import { CODES } from '@exequatur/contracts';
import { LockTimeout, VersionConflict } from '@exequatur/event-store';
import { parseStrict, refuse } from '@exequatur/kernel';
import { KeyDestroyed } from '@exequatur/sealing';
import { describe, expect, test } from '@jest/globals';
import { asProblem } from './as-problem.js';
import { orProblem, Problem, problem } from './problem.js';

const databaseError = (code: string, message = 'relation "secret_table" does not exist'): Error => Object.assign(new Error(message), { code, query: 'SELECT canary' });
const thrownBy = (work: () => unknown): unknown => {
  try {
    work();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

describe('asProblem', () => {
  test.each([
    ['our own', thrownBy(() => problem('FROZEN', 'by the operator')), 'FROZEN', 423],
    ['a refusal', refuse('BUDGET_EXCEEDED'), 'BUDGET_EXCEEDED', 409],
    ['a refusal outside contracts', refuse('NO_SUCH_CODE'), 'INTERNAL', 500],
    ['strict JSON', thrownBy(() => parseStrict('{"a":1,"a":2}')), 'MALFORMED', 400],
    ['the server going away', databaseError('57P01'), 'DEPENDENCY_DOWN', 503],
    ['a connection failure class', databaseError('08006'), 'DEPENDENCY_DOWN', 503],
    ['no connection', databaseError('ECONNREFUSED'), 'DEPENDENCY_DOWN', 503],
    ['a cut connection', new Error('Connection terminated unexpectedly'), 'DEPENDENCY_DOWN', 503],
    ['a lock timeout', new LockTimeout({ cause: databaseError('55P03') }), 'BUSY', 429],
    ['a wrapped deadlock', Object.assign(new Error('QueryFailedError'), { driverError: databaseError('40P01') }), 'BUSY', 429],
    ['a version conflict', new VersionConflict('acme/note/1', 0, 1), 'CONFLICT', 409],
    ['an erased action', new KeyDestroyed('a'), 'CONFLICT', 409],
    ['a bug in SQL', databaseError('42P01'), 'INTERNAL', 500],
    ['Nest', new NotFoundException('Cannot GET /x'), 'NOT_FOUND', 404],
    ['Fastify', Object.assign(new Error('Body is too large'), { statusCode: 413 }), 'TOO_LARGE', 413],
    ['anything', 'a string', 'INTERNAL', 500],
  ])('%s', (_what, error, code, status) => {
    expect(asProblem(error)).toMatchObject({ code, status });
  });

  test('says nothing of SQL, tables or stacks', () => {
    for (const code of ['42P01', '57P01', '55P03', '08006']) expect(JSON.stringify(asProblem(databaseError(code)).document())).not.toMatch(/secret_table|canary|relation/);
  });

  test('what time helps says when to come back', () => {
    expect(asProblem(databaseError('55P03')).retryAfterSeconds).toBe(1);
    expect(asProblem(databaseError('57P03')).retryAfterSeconds).toBe(1);
  });

  test('a document has the members of RFC 9457 and ours', () => {
    expect(new Problem('INVALID', 'look', [{ pointer: '/a', expected: 'text' }]).document()).toEqual({
      type: 'https://exequatur.dev/docs/reference/codes#invalid',
      title: CODES.INVALID.title,
      status: 422,
      detail: 'look',
      code: 'INVALID',
      retryable: false,
      errors: [{ pointer: '/a', expected: 'text' }],
    });
  });

  test('orProblem passes values and throws refusals', () => {
    expect(orProblem([1])).toEqual([1]);
    expect(() => orProblem(refuse('FROZEN', 'by the operator', '/scope'))).toThrow(Problem);
  });
});
