import { amount, count, list, object, oneOf, optional, text } from '@exequatur/contracts';
import { describe, expect, test } from '@jest/globals';
import { Problem } from '../problem/problem.js';
import { shaped } from './shaped.js';

const shape = object({ kind: oneOf('a', 'b'), amount: amount(), tags: optional(list(text(5), 2)), nested: optional(object({ 'with/slash': count() })) });

const faultsOf = (value: unknown): Problem => {
  try {
    shaped(shape, value);
  } catch (error) {
    if (error instanceof Problem) return error;
    throw error;
  }
  throw new Error('it was accepted');
};

describe('shaped', () => {
  test('gives the value back as it is', () => {
    const value = { kind: 'a', amount: '12' };
    expect(shaped(shape, value)).toBe(value);
  });

  test.each([
    [{ amount: '1' }, '/kind', 'to be present'],
    [{ kind: 'c', amount: '1' }, '/kind', 'one of ["a","b"]'],
    [{ kind: 'a', amount: 1 }, '/amount', 'must be string'],
    [{ kind: 'a', amount: '-1' }, '/amount', 'must match pattern "^(0|[1-9]\\d{0,29})$"'],
    [{ kind: 'a', amount: '1', extra: 1 }, '/extra', 'no such field'],
    [{ kind: 'a', amount: '1', tags: ['ok', 'longer'] }, '/tags/1', 'must NOT have more than 5 characters'],
    [{ kind: 'a', amount: '1', nested: { 'with/slash': 'x' } }, '/nested/with~1slash', 'must be integer'],
    [[], '', 'must be object'],
  ])('%j is wrong at %s', (value, pointer, expected) => {
    expect(faultsOf(value)).toMatchObject({ code: 'INVALID', status: 422, errors: [{ pointer, expected }] });
  });
});
