import { describe, expect, test } from '@jest/globals';
import { answerOf, refusedFor } from './ask-reservations.js';

describe('what an answer of reservations means', () => {
  const held = { reservation_id: 'r', execute_by: '2026-01-01T00:00:00.000Z', execute_within_ms: 10_000, caps: {}, status: 'held', more: 1 };

  test('a claim', () => expect(answerOf(201, held)).toEqual({ kind: 'held', reservationId: 'r', executeBy: Date.UTC(2026, 0, 1), executeWithinMs: 10_000, caps: {} }));

  test.each([
    [409, 'BUDGET_EXCEEDED', { kind: 'refused', code: 'BUDGET_EXCEEDED', retryable: false }],
    [403, 'GRANT_REVOKED', { kind: 'refused', code: 'GRANT_REVOKED', retryable: false }],
    [423, 'FROZEN', { kind: 'refused', code: 'FROZEN', retryable: true }],
    [423, 'CIRCUIT_OPEN', { kind: 'refused', code: 'CIRCUIT_OPEN', retryable: true }],
    // Never stored, so the same attempt is asked again.
    [503, 'POLICY_NOT_YET_KNOWN', { kind: 'wait', code: 'POLICY_NOT_YET_KNOWN' }],
    [429, 'BUSY', { kind: 'wait', code: 'BUSY' }],
    [409, 'IDEMPOTENCY_IN_FLIGHT', { kind: 'wait', code: 'IDEMPOTENCY_IN_FLIGHT' }],
    [401, 'UNAUTHENTICATED', { kind: 'wait', code: 'UNAUTHENTICATED' }],
    [500, 'INTERNAL', { kind: 'wait', code: 'INTERNAL' }],
  ])('%i %s', (status, code, meaning) => expect(answerOf(status, { code })).toEqual(meaning));

  test.each([
    [201, {}],
    [201, { ...held, reservation_id: 7 }],
    [201, []],
    [200, held],
    [409, { code: 'A_CODE_FROM_LATER' }],
    [409, 'no'],
  ])('invariant 27: %i %j gives no authority', (status, body) => expect(answerOf(status, body)).toEqual({ kind: 'wait', code: 'DEPENDENCY_DOWN' }));
});

describe('what a dry run means for a child that asks', () => {
  test.each([
    [200, { allowed: 'yes', caps: {} }, undefined],
    [200, { allowed: 'no', code: 'AGENT_MISMATCH' }, 'AGENT_MISMATCH'],
    [200, { allowed: 'no', code: 'GRANT_REVOKED' }, 'GRANT_REVOKED'],
    // May pass: it is queued and waits.
    [200, { allowed: 'no', code: 'FROZEN' }, undefined],
    [200, { allowed: 'no', code: 'A_CODE_FROM_LATER' }, 'DEPENDENCY_DOWN'],
    [200, { allowed: 'no' }, 'DEPENDENCY_DOWN'],
    [200, [], 'DEPENDENCY_DOWN'],
    [201, { allowed: 'yes' }, 'DEPENDENCY_DOWN'],
    [503, { code: 'BUSY' }, 'DEPENDENCY_DOWN'],
  ])('invariant 27: %i %j: %s', (status, body, code) => expect(refusedFor(status, body)).toBe(code));
});
