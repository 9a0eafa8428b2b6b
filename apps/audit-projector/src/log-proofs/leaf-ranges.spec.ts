import { describe, expect, test } from '@jest/globals';
import { consistencyPath, emptyFrontier, frontierRoot, inclusionPath, leafHash, merkleRoot } from '@exequatur/audit-chain';
import { growTree } from '../append-leaves/grow-tree.js';
import { consistencyRanges, inclusionRanges, rangeRoot } from './leaf-ranges.js';
import type { Subtree } from './leaf-ranges.js';

const leaves = Array.from({ length: 600 }, (_, index) => leafHash(Buffer.from(String(index))));
const { frontier, nodes } = growTree(emptyFrontier, leaves);
const stored = new Map([...leaves.map((hash, index): [string, Buffer] => [`0/${index}`, hash]), ...nodes.map(({ level, index, hash }): [string, Buffer] => [`${level}/${index}`, hash])]);
const hashOf = ({ level, index }: Subtree): Buffer => {
  const hash = stored.get(`${level}/${index}`);
  if (hash === undefined) throw new Error(`${level}/${index} is not stored`);
  return hash;
};
const SIZES = [1, 2, 3, 7, 15, 16, 17, 31, 32, 33, 255, 256, 257, 300, 512, 599, 600];

describe('the tree as it is stored', () => {
  test('grown at once or one by one it is the tree of RFC 9162', () => {
    expect(frontierRoot(frontier)).toEqual(merkleRoot(leaves));
    let one = growTree(emptyFrontier, []);
    const single = leaves.flatMap((leaf) => {
      one = growTree(one.frontier, [leaf]);
      return one.nodes;
    });
    expect(one.frontier).toEqual(frontier);
    expect(single).toEqual(nodes);
  });

  test('stores one node for 16 leaves, one for 256', () => {
    expect(nodes.filter(({ level }) => level === 4)).toHaveLength(37);
    expect(nodes.filter(({ level }) => level === 8)).toHaveLength(2);
  });

  test.each(SIZES)('gives the inclusion paths of size %d', (size) => {
    for (let index = 0; index < size; index += size > 40 ? 13 : 1) {
      expect(inclusionRanges(index, size).map((range) => rangeRoot(range, hashOf))).toEqual(inclusionPath(leaves.slice(0, size), index));
    }
  });

  test.each(SIZES)('gives the consistency proofs up to size %d', (size) => {
    for (let from = 1; from <= size; from += size > 40 ? 11 : 1) {
      expect(consistencyRanges(from, size).map((range) => rangeRoot(range, hashOf))).toEqual(consistencyPath(leaves.slice(0, size), from));
    }
  });
});
