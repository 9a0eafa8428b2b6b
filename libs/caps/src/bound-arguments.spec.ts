import { describe, expect, test } from '@jest/globals';
import type { ArgumentBound, UnitAmount } from '@exequatur/contracts';
import { canonicalBytes, saltedHash } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { boundArguments } from './index.js';

const SALT = Buffer.alloc(16, 7);
const ARGS = { account: 'acct_7', amount: '100.00', template: 'reminder', to: ['a@x.example', 'b@x.example'] };
const HELD: readonly UnitAmount[] = [{ unit: 'USD_MICROCENTS', amount: '10000000000' }];
const AMOUNT: ArgumentBound = { pointer: '/amount', unit: 'USD' };
const TEMPLATE: ArgumentBound = { pointer: '/template', one_of: ['reminder', 'receipt'] };
const fixed = (args: JsonValue): string => saltedHash(SALT, canonicalBytes(args));

describe('bounds of the granted arguments', () => {
  test('an amount is at most what is granted, a text one of the listed; the rest is fixed', () => {
    expect(boundArguments(ARGS, SALT, [AMOUNT, TEMPLATE], HELD)).toEqual({ fixed_hash: fixed({ ...ARGS, amount: null, template: null }), bounded: [{ ...AMOUNT, max: '10000000000' }, TEMPLATE] });
    expect(boundArguments(ARGS, SALT, [{ pointer: '/to', one_of: ['a@x.example', 'b@x.example', 'c@x.example'] }], HELD)?.fixed_hash).toBe(fixed({ ...ARGS, to: null }));
  });

  test.each<[string, ArgumentBound, readonly UnitAmount[]]>([
    ['nothing stands there', { pointer: '/fee', unit: 'USD' }, HELD],
    ['it is no amount', { pointer: '/account', unit: 'USD' }, HELD],
    ['the grant holds another amount of the unit', AMOUNT, [{ unit: 'USD_MICROCENTS', amount: '15000000000' }]],
    ['the grant holds none of the unit', AMOUNT, []],
    ['what is granted is not listed', { pointer: '/template', one_of: ['receipt'] }, HELD],
    ['one of the granted is not listed', { pointer: '/to', one_of: ['a@x.example'] }, HELD],
    ['nothing says how it may differ', { pointer: '/amount' }, HELD],
  ])('invariant 17: it stays as granted where %s', (_, variation, held) => {
    expect(boundArguments(ARGS, SALT, [variation], held)).toBeUndefined();
    expect(boundArguments(ARGS, SALT, [variation, TEMPLATE], held)?.bounded).toEqual([TEMPLATE]);
  });

  test('what lies inside another cannot be set apart: then nothing may differ', () => {
    expect(boundArguments({ to: ['a'] }, SALT, [{ pointer: '/to', one_of: ['a'] }, { pointer: '/to/0', one_of: ['a'] }], HELD)).toBeUndefined();
  });
});
