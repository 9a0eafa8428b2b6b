import { expect, test } from '@jest/globals';
import { BoundedCache } from './bounded-cache.js';

test('the least recently used entry goes first', () => {
  const cache = new BoundedCache<number>(2, 1_000, () => 0);
  cache.set('a', 1);
  cache.set('b', 2);
  expect(cache.get('a')).toBe(1);
  cache.set('c', 3);
  expect([cache.get('a'), cache.get('b'), cache.get('c')]).toEqual([1, undefined, 3]);
});

test('use does not make an entry younger, and a deleted one is gone', () => {
  let nowMs = 0;
  const cache = new BoundedCache<number>(2, 10, () => nowMs);
  cache.set('a', 1);
  nowMs = 10;
  expect(cache.get('a')).toBe(1);
  nowMs = 11;
  expect(cache.get('a')).toBeUndefined();
  cache.set('a', 2);
  cache.delete('a');
  expect(cache.get('a')).toBeUndefined();
});
