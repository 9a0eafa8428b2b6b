import { expect, test } from '@jest/globals';
import type { OutgoingMessage } from '../port.js';
import { MAX_REQUEST_BYTES, MAX_REQUEST_MESSAGES, slices } from './kafka-publisher.js';

const message = (bytes: number, key = 'k'): OutgoingMessage => ({ key, value: Buffer.alloc(bytes), headers: { 'exq-path': '0/1:' } });

test('slices keep every message in its order', () => {
  const messages = Array.from({ length: 2_345 }, (_, n) => message((n * 7_919) % 30_000, String(n)));
  expect(slices(messages).flat()).toEqual(messages);
});

test('a slice stays within both bounds', () => {
  const many = slices(Array.from({ length: 1_201 }, () => message(10)));
  expect(many.map((slice) => slice.length)).toEqual([MAX_REQUEST_MESSAGES, MAX_REQUEST_MESSAGES, 201]);
  for (const slice of slices(Array.from({ length: 100 }, () => message(100_000)))) {
    expect(slice.reduce((sum, { value }) => sum + value.length, 0)).toBeLessThanOrEqual(MAX_REQUEST_BYTES);
  }
});

test('a message beyond the bound goes alone, and none makes no request', () => {
  expect(slices([message(10), message(900_000), message(10)]).map((slice) => slice.length)).toEqual([1, 1, 1]);
  expect(slices([])).toEqual([]);
});
