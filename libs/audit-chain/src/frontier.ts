import { emptyRoot, nodeHash } from './merkle.js';

/**
 * All that is needed to append to a tree and know its root: the roots of its full parts, largest first, one for each bit
 * set in its size. Plain JSON, at most 53 hashes.
 */
export interface Frontier {
  /** Leaves so far. */
  readonly size: number;
  /** 64 hex digits each. */
  readonly hashes: readonly string[];
}

export const emptyFrontier: Frontier = { size: 0, hashes: [] };

/** The frontier with one leaf more. Merges as many full parts as the size has trailing one bits. */
export const appendToFrontier = (frontier: Frontier, leaf: Uint8Array): Frontier => appendAllToFrontier(frontier, [leaf]);

export const appendAllToFrontier = (frontier: Frontier, leafHashes: readonly Uint8Array[]): Frontier => {
  const parts: Uint8Array[] = frontier.hashes.map((hash) => Buffer.from(hash, 'hex'));
  let { size } = frontier;
  for (const leaf of leafHashes) {
    let merged = leaf;
    for (let rest = size; rest % 2 === 1; rest = Math.floor(rest / 2)) merged = nodeHash(parts.pop() as Uint8Array, merged);
    parts.push(merged);
    size += 1;
  }
  return { size, hashes: parts.map((part) => Buffer.from(part).toString('hex')) };
};

/** Root of the tree, equal to merkleRoot of all its leaves. */
export const frontierRoot = (frontier: Frontier): Buffer => {
  const parts = frontier.hashes.map((hash) => Buffer.from(hash, 'hex'));
  const root = parts.reduceRight<Buffer | undefined>((right, left) => (right === undefined ? left : nodeHash(left, right)), undefined);
  return root ?? emptyRoot();
};
