import { describe, expect, test } from '@jest/globals';
import { CODES } from '@exequatur/contracts';
import type { Code } from '@exequatur/contracts';
import { Problem } from '@exequatur/service-kit';
import { CYCLES_IS_HERE, CyclesProtocol } from '../spec/cycles-protocol.js';
import { CyclesProblem, cyclesErrorOf, errorResponse, reasonCodeOf } from './cycles-error.js';

const protocol = CYCLES_IS_HERE ? new CyclesProtocol() : undefined;
const CREATE = '/v1/reservations';

describe('problems as the protocol names them', () => {
  test.each(Object.keys(CODES) as Code[])('%s becomes an ErrorResponse', (code) => {
    const { status, body } = errorResponse(new Problem(code, 'why', [{ pointer: '/a', expected: 'b' }]).document(), 'request', '0'.repeat(31) + '1');
    expect(protocol?.faultsOfAnswer('POST', CREATE, 400, body) ?? []).toEqual([]);
    expect(status).toBeGreaterThanOrEqual(400);
    // What may be tried again is never told as something final, and the other way round.
    expect(status === 429 || status >= 500).toBe(CODES[code].status === 429 || CODES[code].status >= 500 || code === 'IDEMPOTENCY_IN_FLIGHT');
  });

  test.each([
    ['INVALID', 400, 'INVALID_REQUEST'],
    ['MALFORMED', 400, 'INVALID_REQUEST'],
    ['TOO_LARGE', 400, 'INVALID_REQUEST'],
    ['UNSUPPORTED_MEDIA_TYPE', 400, 'INVALID_REQUEST'],
    ['UNAUTHENTICATED', 401, 'UNAUTHORIZED'],
    ['FORBIDDEN', 403, 'FORBIDDEN'],
    ['NOT_FOUND', 404, 'NOT_FOUND'],
    ['BUDGET_UNKNOWN', 404, 'NOT_FOUND'],
    ['BUDGET_EXCEEDED', 409, 'BUDGET_EXCEEDED'],
    ['COMMIT_EXCEEDS_RESERVED', 409, 'BUDGET_EXCEEDED'],
    ['OVERDRAFT_LIMIT_EXCEEDED', 409, 'OVERDRAFT_LIMIT_EXCEEDED'],
    ['FROZEN', 409, 'BUDGET_FROZEN'],
    ['VELOCITY_EXCEEDED', 409, 'ACTION_QUOTA_EXCEEDED'],
    ['RESERVATION_FINALIZED', 409, 'RESERVATION_FINALIZED'],
    ['IDEMPOTENCY_KEY_REUSED', 409, 'IDEMPOTENCY_MISMATCH'],
    ['RESERVATION_EXPIRED', 410, 'RESERVATION_EXPIRED'],
    ['IDEMPOTENCY_IN_FLIGHT', 429, 'LIMIT_EXCEEDED'],
    ['BUSY', 429, 'LIMIT_EXCEEDED'],
    ['INTERNAL', 500, 'INTERNAL_ERROR'],
    ['DEPENDENCY_DOWN', 503, 'INTERNAL_ERROR'],
  ] as const)('%s: %i %s', (code, status, error) => {
    expect(errorResponse(new Problem(code).document(), 'r', 't')).toMatchObject({ status, body: { error } });
  });

  test('a finer refusal keeps its own name', () => {
    expect(errorResponse(new CyclesProblem('BUDGET_UNKNOWN', 'UNIT_MISMATCH', 'in another unit').document(), 'r', 't')).toEqual({ status: 400, body: { error: 'UNIT_MISMATCH', message: 'in another unit', request_id: 'r', trace_id: 't' } });
  });

  test('denials carry their reason and nothing of budgets', () => {
    expect(errorResponse(new Problem('BUDGET_EXCEEDED').document(), 'r', 't').body.details).toEqual({ deny_detail: { reason_code: 'BUDGET_EXCEEDED' } });
    expect(reasonCodeOf('BUDGET_UNKNOWN')).toBe('BUDGET_NOT_FOUND');
    expect(reasonCodeOf('FROZEN')).toBe(cyclesErrorOf('FROZEN'));
  });
});
