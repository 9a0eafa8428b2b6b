import { expect, test } from '@jest/globals';
import { fromInstant, toInstant } from './clock.js';
import { derivedId, newId } from './ids.js';

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-([0-9a-f])[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

test('a new id is a UUID v7 that carries its time and sorts by it', () => {
  const id = newId(1_700_000_000_123);
  expect(UUID.exec(id)?.[1]).toBe('7');
  expect(Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16)).toBe(1_700_000_000_123);
  expect(newId(1_700_000_000_124) > id).toBe(true);
});

test('10,000 ids of one millisecond differ', () => {
  expect(new Set(Array.from({ length: 10_000 }, () => newId(5))).size).toBe(10_000);
});

test('a time that does not fit is an error', () => {
  for (const nowMs of [-1, 2 ** 48, 1.5, Number.NaN]) expect(() => newId(nowMs)).toThrow(RangeError);
});

test('a derived id is the same for the same parts, in UUID form, and part borders count', () => {
  const id = derivedId('execution', 'acme', 'g1', '1');
  expect(id).toBe(derivedId('execution', 'acme', 'g1', '1'));
  expect(UUID.exec(id)?.[1]).toBe('8');
  expect(derivedId('ab', 'c')).not.toBe(derivedId('a', 'bc'));
  expect(derivedId('a', '')).not.toBe(derivedId('a'));
});

test('instants are RFC 3339 UTC with milliseconds', () => {
  expect(toInstant(0)).toBe('1970-01-01T00:00:00.000Z');
  expect(fromInstant('2026-01-31T09:00:00.5+01:00')).toBe(Date.UTC(2026, 0, 31, 8, 0, 0, 500));
  for (const text of ['2026-01-31', '2026-13-01T00:00:00Z', 'Sat, 31 Jan 2026 08:00:00 GMT', '2026-01-31T08:00:00']) expect(() => fromInstant(text)).toThrow(RangeError);
});
