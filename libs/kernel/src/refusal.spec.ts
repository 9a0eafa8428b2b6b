import { expect, test } from '@jest/globals';
import { assertNever, isRefusal, refuse } from './refusal.js';

test('a refusal carries its code and, where given, detail and pointer', () => {
  expect(refuse('CAP_EXCEEDED')).toEqual({ refused: true, code: 'CAP_EXCEEDED' });
  expect(refuse('CAP_EXCEEDED', 'too much', '/amount')).toEqual({ refused: true, code: 'CAP_EXCEEDED', detail: 'too much', pointer: '/amount' });
});

test('other values are no refusals', () => {
  expect(isRefusal(refuse('X'))).toBe(true);
  for (const value of [undefined, null, [], {}, { refused: 'true', code: 'X' }, { refused: true }, { code: 'X' }]) expect(isRefusal(value)).toBe(false);
});

test('a case that types rule out is an error', () => {
  expect(() => assertNever('surprise' as never)).toThrow('surprise');
});
