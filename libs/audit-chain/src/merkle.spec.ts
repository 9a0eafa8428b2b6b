import { describe, expect, test } from '@jest/globals';
import { appendAllToFrontier, appendToFrontier, emptyFrontier, frontierRoot } from './frontier.js';
import { consistencyPath, inclusionPath, leafHash, merkleRoot, nodeHash, verifyConsistency, verifyInclusion } from './merkle.js';

const leaves = (count: number): Buffer[] => Array.from({ length: count }, (_, index) => leafHash(Buffer.from(`leaf ${index}`)));

/** RFC 9162 section 2.1.1 as it is written, to hold the level-wise root against. */
const rootByDefinition = (hashes: readonly Buffer[]): Buffer => {
  if (hashes.length <= 1) return hashes[0] ?? merkleRoot([]);
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return nodeHash(rootByDefinition(hashes.slice(0, split)), rootByDefinition(hashes.slice(split)));
};

describe('roots', () => {
  test('leaf, node and empty tree as published (RFC 6962 test values)', () => {
    expect(merkleRoot([]).toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(leafHash(new Uint8Array()).toString('hex')).toBe('6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d');
    expect(nodeHash(Buffer.from('N123'), Buffer.from('N456')).toString('hex')).toBe('aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb');
  });

  test('root, and frontier appended one by one or at once, follow the definition for 0 to 70 leaves', () => {
    let frontier = emptyFrontier;
    for (let size = 0; size <= 70; size += 1) {
      const all = leaves(size);
      const root = rootByDefinition(all);
      expect(merkleRoot(all)).toEqual(root);
      expect(frontierRoot(frontier)).toEqual(root);
      expect(JSON.parse(JSON.stringify(frontier))).toEqual(appendAllToFrontier(emptyFrontier, all));
      frontier = appendToFrontier(frontier, leafHash(Buffer.from(`leaf ${size}`)));
    }
  });
});

describe('proofs', () => {
  test('invariant 25: each leaf of each tree up to 33 is proven in its place and nowhere else', () => {
    for (let size = 1; size <= 33; size += 1) {
      const all = leaves(size);
      const root = merkleRoot(all);
      for (let index = 0; index < size; index += 1) {
        const proof = { leafHash: all[index] as Buffer, index, size, path: inclusionPath(all, index), root };
        expect(verifyInclusion(proof)).toBe(true);
        expect(verifyInclusion({ ...proof, index: (index + 1) % (size + 1) })).toBe(false);
        expect(verifyInclusion({ ...proof, leafHash: leafHash(Buffer.from('another')) })).toBe(false);
        expect(verifyInclusion({ ...proof, path: [...proof.path, root] })).toBe(false);
        if (size > 1) expect(verifyInclusion({ ...proof, path: proof.path.slice(1) })).toBe(false);
      }
    }
  });

  test('invariant 24: each tree is proven to extend each smaller one, and not one with another root', () => {
    for (let newSize = 1; newSize <= 33; newSize += 1) {
      const all = leaves(newSize);
      const newRoot = merkleRoot(all);
      for (let oldSize = 1; oldSize <= newSize; oldSize += 1) {
        const proof = { oldSize, newSize, oldRoot: merkleRoot(all.slice(0, oldSize)), newRoot, path: consistencyPath(all, oldSize) };
        const rewritten = [...all.slice(0, oldSize - 1), leafHash(Buffer.from('rewritten'))];
        expect(verifyConsistency(proof)).toBe(true);
        expect(verifyConsistency({ ...proof, oldRoot: merkleRoot(rewritten) })).toBe(false);
        expect(verifyConsistency({ ...proof, newRoot: merkleRoot([...rewritten, ...all.slice(oldSize)]) })).toBe(false);
      }
    }
  });

  test('sizes past 32 bits are not cut', () => {
    const leaf = leafHash(Buffer.from('leaf'));
    const path = Array.from({ length: 40 }, () => leaf);
    const root = path.reduce((right, left) => nodeHash(left, right), leaf);
    expect(verifyInclusion({ leafHash: leaf, index: 2 ** 40 - 1, size: 2 ** 40, path, root })).toBe(true);
    expect(verifyInclusion({ leafHash: leaf, index: 2 ** 8 - 1, size: 2 ** 8, path, root })).toBe(false);
  });

  test('nonsense is not proven, and asking for a proof of it is an error', () => {
    const [leaf] = leaves(1) as [Buffer];
    for (const [index, size] of [[-1, 1], [0.5, 1], [Number.NaN, 1], [0, 0], [1, 1], [0, 2 ** 53]] as const) expect(verifyInclusion({ leafHash: leaf, index, size, path: [], root: leaf })).toBe(false);
    expect(verifyInclusion({ leafHash: leaf.subarray(1), index: 0, size: 1, path: [], root: leaf.subarray(1) })).toBe(false);
    for (const index of [-1, 1, 0.5]) expect(() => inclusionPath([leaf], index)).toThrow(RangeError);
    for (const oldSize of [0, 2, 0.5]) expect(() => consistencyPath([leaf], oldSize)).toThrow(RangeError);
  });
});
