import { describe, expect, test } from '@jest/globals';
import { Problem } from '../problem/problem.js';
import { Admission } from './admission.js';
import type { HttpRequest } from './http-request.js';
import { decodeCursor, encodeCursor, pageOf, pageSize } from './paging.js';
import { entityTag, requireIfMatch } from './preconditions.js';

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
  return 'passed';
};
const requestWith = (headers: Record<string, string>): HttpRequest => ({ headers }) as HttpRequest;

describe('If-Match', () => {
  test.each([
    [{}, 'IF_MATCH_REQUIRED'],
    [{ 'if-match': ' ' }, 'IF_MATCH_REQUIRED'],
    [{ 'if-match': '"2"' }, 'STALE'],
    [{ 'if-match': '*' }, 'STALE'],
    [{ 'if-match': 'W/"3"' }, 'STALE'],
    [{ 'if-match': '"3"' }, 'passed'],
    [{ 'if-match': '"2", "3"' }, 'passed'],
  ])('%j: %s', (headers, code) => {
    expect(codeOf(() => requireIfMatch(requestWith(headers), entityTag(3)))).toBe(code);
  });
});

describe('paging', () => {
  test('a cursor comes back as it went out', () => {
    expect(decodeCursor(encodeCursor(['2026-01-01T00:00:00Z', 'id']))).toEqual(['2026-01-01T00:00:00Z', 'id']);
    expect(decodeCursor(undefined)).toBeUndefined();
  });

  test.each(['', '!!!', Buffer.from('{"a":1,"a":2}').toString('base64url'), Buffer.from('[').toString('base64url')])('%j is no cursor', (cursor) => {
    expect(codeOf(() => decodeCursor(cursor))).toBe('INVALID');
  });

  test('one row more than asked for means a next page, from the last row shown', () => {
    expect(pageOf([1, 2, 3], 2, (row) => row, (row) => `${row}`)).toEqual({ items: ['1', '2'], next_cursor: encodeCursor(2) });
    expect(pageOf([1, 2], 2, (row) => row, (row) => row)).toEqual({ items: [1, 2], next_cursor: null });
  });

  test.each([[undefined, 50], [0, 1], [10, 10], [900, 200]])('limit %s is %s', (limit, size) => {
    expect(pageSize(limit)).toBe(size);
  });
});

describe('admission', () => {
  test('one over the bound is BUSY, and a place given back is had again', () => {
    const admission = new Admission(2);
    const request = requestWith({});
    admission.enter();
    admission.enter();
    expect(codeOf(() => admission.enter())).toBe('BUSY');
    admission.leave(request);
    expect(codeOf(() => admission.enter())).toBe('passed');
  });

  test('a long poll gives its place to others and counts until it ends', () => {
    const admission = new Admission(1);
    const poll = requestWith({});
    admission.enter();
    admission.beginLongPoll(poll);
    admission.beginLongPoll(poll);
    expect(codeOf(() => admission.enter())).toBe('passed');
    expect(admission.inFlight).toBe(2);
    admission.leave(poll);
    expect(admission.inFlight).toBe(1);
  });

  test('draining wakes who waits, refuses who comes, and ends with the last answer', async () => {
    const admission = new Admission(5);
    const request = requestWith({});
    admission.enter();
    const drained = admission.drain(10_000);
    expect(admission.shutdown.aborted).toBe(true);
    expect(codeOf(() => admission.enter())).toBe('DEPENDENCY_DOWN');
    admission.leave(request);
    await drained;
  });

  test('draining does not wait for ever', async () => {
    const admission = new Admission(5);
    admission.enter();
    await admission.drain(20);
    expect(admission.inFlight).toBe(1);
  });
});
