import { expect, test } from '@jest/globals';
import { namesIn, subjectTokens } from './subject-tokens.js';

const key = Buffer.alloc(32, 7);

test('every text of the arguments names, whole and by the addresses in it', () => {
  expect(namesIn([{ to: ' Anna@Example.org ', cc: ['b@example.org'], note: 'please tell Carl <carl@example.org> soon', n: 5, deep: { id: 'C-77' } }, 'customer 9', undefined])).toEqual(
    ['anna@example.org', 'b@example.org', 'please tell carl <carl@example.org> soon', 'carl@example.org', 'c-77', 'customer 9'],
  );
});

test('a long text is searched for addresses and is no name itself', () => {
  expect(namesIn(['x '.repeat(500) + 'anna@example.org'])).toEqual(['anna@example.org']);
  expect(namesIn([''])).toEqual([]);
});

test('no more names of one action than the bound', () => expect(namesIn([Array.from({ length: 2_000 }, (_, index) => `name ${index}`)])).toHaveLength(500));

test('spelling does not matter, tenant and key do', () => {
  const token = subjectTokens(key, 'acme');
  expect(token(' ANNA@example.org')).toEqual(token('anna@example.org'));
  expect(token('anna@example.org')).toHaveLength(32);
  expect(subjectTokens(key, 'other')('anna@example.org')).not.toEqual(token('anna@example.org'));
  expect(subjectTokens(Buffer.alloc(32, 8), 'acme')('anna@example.org')).not.toEqual(token('anna@example.org'));
});
