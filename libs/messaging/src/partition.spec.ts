import { describe, expect, test } from '@jest/globals';
import { Partitioners } from 'kafkajs';
import { partitionOf } from './partition.js';

const metadata = (partitions: number) => Array.from({ length: partitions }, (_, partitionId) => ({ partitionErrorCode: 0, partitionId, leader: 1, replicas: [1], isr: [1] }));

describe('partitionOf', () => {
  test('agrees with the partitioner that Java clients and kafkajs use', () => {
    const reference = Partitioners.DefaultPartitioner();
    const keys = ['', 'a', 'ab', 'abc', 'acme/action/0190a5c8-0000-7000-8000-000000000001', 'grüße/π', ...Array.from({ length: 500 }, (_, n) => `tenant-${n}/action/${n * 7919}`)];
    for (const key of keys.slice(1)) {
      for (const partitions of [1, 6, 7]) {
        expect(partitionOf(key, partitions)).toBe(reference({ topic: 't', partitionMetadata: metadata(partitions), message: { key, value: '' } }));
      }
    }
  });

  test('is pinned, since a change would re-key every stream', () => {
    expect(['acme/action/1', 'acme/action/2', 'globex/approval/1'].map((key) => partitionOf(key, 6))).toMatchInlineSnapshot(`
[
  1,
  0,
  3,
]
`);
  });
});
