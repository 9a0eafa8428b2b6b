import { hash } from 'node:crypto';
import { sha256 } from '@exequatur/kernel';

/**
 * The Merkle tree of RFC 9162 section 2.1 over SHA-256. Hashes are 32-byte Buffers, leaves are numbered from 0, sizes count
 * leaves and stay within 2^53 − 1. Functions that verify never throw: what is malformed is not proven.
 */
export const HASH_BYTES = 32;

const LEAF = Buffer.of(0x00);
const NODE = Buffer.of(0x01);

export const leafHash = (bytes: Uint8Array): Buffer => sha256(leafInput(bytes));

/** The same as base64url text. */
export const leafHashText = (bytes: Uint8Array): string => hash('sha256', leafInput(bytes), 'base64url');

/** Written over by each leaf, read before the next; larger ones are copied to memory of their own. */
const leaf = Buffer.alloc(16_384);
LEAF.copy(leaf);

const leafInput = (bytes: Uint8Array): Uint8Array => {
  if (bytes.byteLength >= leaf.byteLength) return Buffer.concat([LEAF, bytes]);
  leaf.set(bytes, LEAF.length);
  return leaf.subarray(0, LEAF.length + bytes.byteLength);
};

/** Written over by each node, read before the next: a tree has as many nodes as leaves. */
const node = Buffer.alloc(NODE.length + 2 * HASH_BYTES);
NODE.copy(node);

export const nodeHash = (left: Uint8Array, right: Uint8Array): Buffer => {
  if (left.byteLength !== HASH_BYTES || right.byteLength !== HASH_BYTES) return sha256(Buffer.concat([NODE, left, right]));
  node.set(left, NODE.length);
  node.set(right, NODE.length + HASH_BYTES);
  return sha256(node);
};

/** Root of the tree without leaves: SHA-256 of nothing. */
export const emptyRoot = (): Buffer => sha256('');

export const merkleRoot = (leafHashes: readonly Buffer[]): Buffer => levelsOf(leafHashes).at(-1)?.[0] ?? emptyRoot();

/**
 * Every level from the leaves to the root. The last node of an odd level moves up unchanged, which gives the tree of
 * RFC 9162, whose left part is the largest full one.
 */
export const levelsOf = (leafHashes: readonly Buffer[]): readonly (readonly Buffer[])[] => {
  const levels: (readonly Buffer[])[] = [leafHashes];
  for (let level = leafHashes; level.length > 1; levels.push(level)) {
    const above: Buffer[] = [];
    for (let index = 0; index < level.length; index += 2) {
      const left = level[index] as Buffer;
      const right = level[index + 1];
      above.push(right === undefined ? left : nodeHash(left, right));
    }
    level = above;
  }
  return levels;
};

/** Section 2.1.3.1: the siblings on the way up from a leaf. @throws RangeError when there is no such leaf */
export const inclusionPath = (leafHashes: readonly Buffer[], index: number): Buffer[] => pathInLevels(levelsOf(leafHashes), index);

/** The same from levels built once, for a path to each leaf. */
export const pathInLevels = (levels: readonly (readonly Buffer[])[], index: number): Buffer[] => {
  if (!Number.isInteger(index) || index < 0 || index >= (levels[0]?.length ?? 0)) throw new RangeError('no such leaf');
  const path: Buffer[] = [];
  let here = index;
  for (const level of levels) {
    const sibling = level[here % 2 === 0 ? here + 1 : here - 1];
    if (sibling !== undefined) path.push(sibling);
    here = Math.floor(here / 2);
  }
  return path;
};

export interface InclusionProof {
  readonly leafHash: Uint8Array;
  readonly index: number;
  readonly size: number;
  readonly path: readonly Uint8Array[];
}

/** Section 2.1.3.2: the root that the path leads to, or undefined when it does not fit index and size. */
export const rootOfInclusion = ({ leafHash: leaf, index, size, path }: InclusionProof): Buffer | undefined => {
  if (!isHash(leaf) || !path.every(isHash)) return undefined;
  const root = rootOfPath<Uint8Array>(leaf, { index, size, path }, nodeHash);
  return root === undefined ? undefined : Buffer.from(root);
};

/** The same over hashes in any form, with the node above two of them; steps are counted from 0 above the leaf. */
export const rootOfPath = <T>(start: T, { index, size, path }: { readonly index: number; readonly size: number; readonly path: readonly T[] }, nodeOf: (left: T, right: T, step: number) => T): T | undefined => {
  if (!isCount(index) || !isCount(size) || index >= size) return undefined;
  let fn = index;
  let sn = size - 1;
  let root = start;
  let step = 0;
  for (const sibling of path) {
    if (sn === 0) return undefined;
    if (fn % 2 === 1 || fn === sn) {
      root = nodeOf(sibling, root, step);
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      root = nodeOf(root, sibling, step);
    }
    [fn, sn] = [half(fn), half(sn)];
    step += 1;
  }
  return sn === 0 ? root : undefined;
};

/** True when the leaf is at that index of the tree of that size and root. */
export const verifyInclusion = (proof: InclusionProof & { readonly root: Uint8Array }): boolean => rootOfInclusion(proof)?.equals(proof.root) ?? false;

/** Section 2.1.4.1: proves that the first `oldSize` leaves are a prefix. @throws RangeError unless 0 < oldSize <= leaves */
export const consistencyPath = (leafHashes: readonly Buffer[], oldSize: number): Buffer[] => {
  if (!isCount(oldSize) || oldSize === 0 || oldSize > leafHashes.length) throw new RangeError('no such tree');
  return subproof(oldSize, leafHashes, true);
};

const subproof = (oldSize: number, leaves: readonly Buffer[], known: boolean): Buffer[] => {
  if (oldSize === leaves.length) return known ? [] : [merkleRoot(leaves)];
  const split = largestPowerBelow(leaves.length);
  return oldSize <= split
    ? [...subproof(oldSize, leaves.slice(0, split), known), merkleRoot(leaves.slice(split))]
    : [...subproof(oldSize - split, leaves.slice(split), false), merkleRoot(leaves.slice(0, split))];
};

export interface ConsistencyProof {
  readonly oldSize: number;
  readonly newSize: number;
  readonly oldRoot: Uint8Array;
  readonly newRoot: Uint8Array;
  readonly path: readonly Uint8Array[];
}

/** Section 2.1.4.2. An old tree of size 0 is never accepted: it would prove nothing about anything. */
export const verifyConsistency = ({ oldSize, newSize, oldRoot, newRoot, path }: ConsistencyProof): boolean => {
  if (!isCount(oldSize) || !isCount(newSize) || oldSize === 0 || oldSize > newSize) return false;
  if (oldSize === newSize) return path.length === 0 && equal(oldRoot, newRoot);
  if (![oldRoot, newRoot, ...path].every(isHash)) return false;
  // When the old tree is full, its root is the first node of the path, left out as known.
  const [first, ...rest] = isPowerOfTwo(oldSize) ? [oldRoot, ...path] : path;
  if (first === undefined) return false;
  let fn = oldSize - 1;
  let sn = newSize - 1;
  while (fn % 2 === 1) [fn, sn] = [half(fn), half(sn)];
  let [oldHash, newHash] = [first, first];
  for (const node of rest) {
    if (sn === 0) return false;
    if (fn % 2 === 1 || fn === sn) {
      [oldHash, newHash] = [nodeHash(node, oldHash), nodeHash(node, newHash)];
      while (fn % 2 === 0 && fn !== 0) [fn, sn] = [half(fn), half(sn)];
    } else {
      newHash = nodeHash(newHash, node);
    }
    [fn, sn] = [half(fn), half(sn)];
  }
  return sn === 0 && equal(oldHash, oldRoot) && equal(newHash, newRoot);
};

/** Not by shifting: that would cut sizes to 32 bits. */
const half = (count: number): number => Math.floor(count / 2);
const isCount = (count: number): boolean => Number.isSafeInteger(count) && count >= 0;
const isHash = (hash: Uint8Array): boolean => hash.byteLength === HASH_BYTES;
const equal = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

const isPowerOfTwo = (count: number): boolean => {
  let power = 1;
  while (power < count) power *= 2;
  return power === count;
};

const largestPowerBelow = (count: number): number => {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
};
