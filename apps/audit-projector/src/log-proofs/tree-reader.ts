import type { Queryable } from '@exequatur/service-kit';
import { rangeRoot, storedNodesOf, subtreesOf } from './leaf-ranges.js';
import type { LeafRange, Subtree } from './leaf-ranges.js';

const keyOf = ({ level, index }: Subtree): string => `${level}/${index}`;

/**
 * Roots of ranges of one tenant's log, in their order; two statements, however many ranges. What a tree head covers never
 * changes, so proofs need no lock. @throws Error when the log is shorter than the ranges: callers check sizes first
 */
export const readRangeRoots = async (db: Queryable, tenant: string, ranges: readonly LeafRange[]): Promise<readonly Buffer[]> => {
  const wanted = new Map(ranges.flatMap(subtreesOf).flatMap(storedNodesOf).map((node) => [keyOf(node), node]));
  const leaves = [...wanted.values()].filter(({ level }) => level === 0).map(({ index }) => index);
  const nodes = [...wanted.values()].filter(({ level }) => level > 0);
  const hashes = new Map<string, Buffer>();
  if (leaves.length > 0) {
    const { rows } = await db.query<{ sequence: string; leaf_hash: Buffer }>('SELECT sequence::text, leaf_hash FROM leaf WHERE tenant = $1 AND sequence = ANY ($2::bigint[])', [tenant, leaves]);
    for (const { sequence, leaf_hash: hash } of rows) hashes.set(keyOf({ level: 0, index: Number(sequence) }), hash);
  }
  if (nodes.length > 0) {
    const text = 'SELECT n.level, n.index::text, n.hash FROM unnest($2::smallint[], $3::bigint[]) AS wanted (level, index) JOIN log_node n ON n.tenant = $1 AND n.level = wanted.level AND n.index = wanted.index';
    const { rows } = await db.query<{ level: number; index: string; hash: Buffer }>(text, [tenant, nodes.map(({ level }) => level), nodes.map(({ index }) => index)]);
    for (const { level, index, hash } of rows) hashes.set(keyOf({ level, index: Number(index) }), hash);
  }
  const hashOf = (node: Subtree): Buffer => {
    const hash = hashes.get(keyOf(node));
    if (hash === undefined) throw new Error(`node ${keyOf(node)} of a log is missing`);
    return hash;
  };
  return ranges.map((range) => rangeRoot(range, hashOf));
};
