import { hash } from 'node:crypto';
import { HASH_BYTES } from './merkle.js';

interface NodeText {
  readonly left: string;
  readonly right: string;
  readonly node: string;
}

/**
 * Nodes of Merkle trees with every hash as base64url text, as paths carry them. Neighbours in a batch share all of their paths
 * but a few steps, so the newest node of each step (0 above the leaves) is kept, and hashed again only from other texts.
 */
export const nodeTexts = (): ((left: string, right: string, step: number) => string) => {
  const newest: NodeText[] = [];
  const bytes = Buffer.alloc(1 + 2 * HASH_BYTES, 1);
  return (left, right, step) => {
    const known = newest[step];
    if (known !== undefined && known.left === left && known.right === right) return known.node;
    bytes.write(left, 1, 'base64url');
    bytes.write(right, 1 + HASH_BYTES, 'base64url');
    const node = hash('sha256', bytes, 'base64url');
    newest[step] = { left, right, node };
    return node;
  };
};
