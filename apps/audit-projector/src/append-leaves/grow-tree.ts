import { nodeHash } from '@exequatur/audit-chain';
import type { Frontier } from '@exequatur/audit-chain';

/** Full subtrees are stored at each of these levels: 4 is 16 leaves, 8 is 256 … */
export const STORED_LEVELS = 4;

export interface TreeNode {
  /** log2 of the leaves below */
  readonly level: number;
  /** from 0 within its level */
  readonly index: number;
  readonly hash: Buffer;
}

/** The frontier with these leaves more, and the full subtrees that came to be on the way and are stored. */
export const growTree = (frontier: Frontier, leafHashes: readonly Buffer[]): { readonly frontier: Frontier; readonly nodes: readonly TreeNode[] } => {
  const parts: Buffer[] = frontier.hashes.map((hash) => Buffer.from(hash, 'hex'));
  const nodes: TreeNode[] = [];
  let { size } = frontier;
  for (const leaf of leafHashes) {
    let [hash, level, index] = [leaf, 0, size];
    // Merges as many full parts as the size has trailing one bits.
    while (index % 2 === 1) {
      hash = nodeHash(parts.pop() as Buffer, hash);
      level += 1;
      index = (index - 1) / 2;
      if (level % STORED_LEVELS === 0) nodes.push({ level, index, hash });
    }
    parts.push(hash);
    size += 1;
  }
  return { frontier: { size, hashes: parts.map((part) => part.toString('hex')) }, nodes };
};
