import type { Frontier } from '@exequatur/audit-chain';
import { UNREADABLE_LOG } from '../limits.js';
import { growTree } from './grow-tree.js';
import type { TreeNode } from './grow-tree.js';
import type { IncomingLeaf } from './read-message.js';

export interface LogState {
  readonly frontier: Frontier;
  /** of the read model */
  readonly generation: number;
}

/** A leaf the log has already, by what makes a delivery the same one. */
export interface KnownLeaf {
  readonly tenant: string;
  readonly eventId: string;
  /** hex */
  readonly hash: string;
  readonly originOk: boolean;
}

export interface NewLeaf {
  readonly tenant: string;
  readonly sequence: number;
  readonly fork: boolean;
  readonly leaf: IncomingLeaf;
}

export interface AppendPlan {
  readonly leaves: readonly NewLeaf[];
  readonly frontiers: ReadonlyMap<string, Frontier>;
  readonly nodes: readonly (TreeNode & { readonly tenant: string })[];
}

/** Every log that a message may end in, before it is known which logs exist. */
export const logsOf = (incoming: readonly IncomingLeaf[]): readonly string[] => [
  ...new Set(incoming.flatMap(({ tenant, origin }) => [...(tenant === undefined ? [] : [tenant]), ...(origin === 'ok' ? [] : [UNREADABLE_LOG])])),
];

/** The log a message belongs to. Only who is vouched for starts a tenant's log. */
export const logOf = ({ tenant, origin }: IncomingLeaf, exists: (tenant: string) => boolean): string =>
  tenant !== undefined && (origin === 'ok' || exists(tenant)) ? tenant : UNREADABLE_LOG;

/** Sequences, forks and the grown trees of one batch; duplicates of known leaves, and within the batch, are left out. */
export const planAppend = (incoming: readonly IncomingLeaf[], logs: ReadonlyMap<string, LogState>, known: readonly KnownLeaf[]): AppendPlan => {
  const taken = new Set(known.map(keyOf));
  const hashesById = new Map<string, Set<string>>();
  for (const leaf of known) remember(hashesById, leaf);
  // A log that this very batch starts exists for the messages behind its first one.
  const started = new Set(logs.keys());
  for (const { tenant, origin } of incoming) if (tenant !== undefined && origin === 'ok') started.add(tenant);
  const byTenant = new Map<string, { leaf: IncomingLeaf; fork: boolean }[]>();
  for (const leaf of incoming) {
    const tenant = logOf(leaf, (each) => started.has(each));
    const identity: KnownLeaf = { tenant, eventId: leaf.eventId, hash: leaf.hash.toString('hex'), originOk: leaf.origin === 'ok' };
    if (taken.has(keyOf(identity))) continue;
    taken.add(keyOf(identity));
    const fork = [...(hashesById.get(idKey(identity)) ?? [])].some((hash) => hash !== identity.hash);
    remember(hashesById, identity);
    const ofTenant = byTenant.get(tenant);
    if (ofTenant) ofTenant.push({ leaf, fork });
    else byTenant.set(tenant, [{ leaf, fork }]);
  }
  return numbered(byTenant, logs);
};

const numbered = (byTenant: ReadonlyMap<string, readonly { leaf: IncomingLeaf; fork: boolean }[]>, logs: ReadonlyMap<string, LogState>): AppendPlan => {
  const leaves: NewLeaf[] = [];
  const frontiers = new Map<string, Frontier>();
  const nodes: (TreeNode & { tenant: string })[] = [];
  for (const [tenant, added] of byTenant) {
    const before = logs.get(tenant)?.frontier ?? { size: 0, hashes: [] };
    added.forEach(({ leaf, fork }, index) => leaves.push({ tenant, sequence: before.size + index, fork, leaf }));
    const grown = growTree(before, added.map(({ leaf }) => leaf.hash));
    frontiers.set(tenant, grown.frontier);
    nodes.push(...grown.nodes.map((node) => ({ ...node, tenant })));
  }
  return { leaves, frontiers, nodes };
};

const keyOf = ({ tenant, eventId, hash, originOk }: KnownLeaf): string => `${tenant}\n${eventId}\n${hash}\n${originOk}`;
const idKey = ({ tenant, eventId }: KnownLeaf): string => `${tenant}\n${eventId}`;

const remember = (hashesById: Map<string, Set<string>>, leaf: KnownLeaf): void => {
  if (leaf.eventId === '') return;
  hashesById.set(idKey(leaf), (hashesById.get(idKey(leaf)) ?? new Set()).add(leaf.hash));
};
