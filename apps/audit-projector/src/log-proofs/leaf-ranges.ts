import { emptyRoot, merkleRoot, nodeHash } from '@exequatur/audit-chain';
import { STORED_LEVELS } from '../append-leaves/grow-tree.js';

/** Leaves from..to, `to` not among them: one subtree of RFC 9162, full or at the right edge of its tree. */
export interface LeafRange {
  readonly from: number;
  readonly to: number;
}

const largestPowerBelow = (count: number): number => {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
};

/** The subtrees whose roots are the inclusion path of a leaf (RFC 9162 section 2.1.3.1), from the leaf upwards. */
export const inclusionRanges = (index: number, size: number): readonly LeafRange[] => {
  const ranges: LeafRange[] = [];
  for (let [from, to] = [0, size]; to - from > 1; ) {
    const border = from + largestPowerBelow(to - from);
    if (index < border) {
      ranges.push({ from: border, to });
      to = border;
    } else {
      ranges.push({ from, to: border });
      from = border;
    }
  }
  return ranges.reverse();
};

/** The subtrees whose roots are a consistency proof (section 2.1.4.1) between two sizes, 0 < oldSize <= size. */
export const consistencyRanges = (oldSize: number, size: number): readonly LeafRange[] => {
  const ranges: LeafRange[] = [];
  let known = true;
  let [from, to] = [0, size];
  while (to !== oldSize) {
    const border = from + largestPowerBelow(to - from);
    if (oldSize <= border) {
      ranges.push({ from: border, to });
      to = border;
    } else {
      ranges.push({ from, to: border });
      from = border;
      known = false;
    }
  }
  if (!known) ranges.push({ from, to });
  return ranges.reverse();
};

/** A full subtree: 2^level leaves from index · 2^level on. */
export interface Subtree {
  readonly level: number;
  readonly index: number;
}

/** The full subtrees of a range, largest first. `from` is a multiple of the largest. */
export const subtreesOf = ({ from, to }: LeafRange): readonly Subtree[] => {
  const subtrees: Subtree[] = [];
  for (let at = from; at < to; ) {
    let level = 0;
    while (2 ** (level + 1) <= to - at) level += 1;
    subtrees.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return subtrees;
};

/** The stored nodes (level 0: leaves) that a full subtree is made of: 1, 2, 4 or 8. */
export const storedNodesOf = ({ level, index }: Subtree): readonly Subtree[] => {
  const storedLevel = level - (level % STORED_LEVELS);
  const count = 2 ** (level - storedLevel);
  return Array.from({ length: count }, (_, offset) => ({ level: storedLevel, index: index * count + offset }));
};

/** Root of a range from the stored nodes; the roots of its full parts join from the right. */
export const rangeRoot = (range: LeafRange, hashOf: (node: Subtree) => Buffer): Buffer => {
  const parts = subtreesOf(range).map((subtree) => merkleRoot(storedNodesOf(subtree).map(hashOf)));
  return parts.reduceRight<Buffer | undefined>((right, left) => (right === undefined ? left : nodeHash(left, right)), undefined) ?? emptyRoot();
};
