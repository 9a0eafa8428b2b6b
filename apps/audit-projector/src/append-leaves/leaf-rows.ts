import type { Frontier } from '@exequatur/audit-chain';
import type { PgTransaction } from '@exequatur/event-store';
import type { AppendPlan, KnownLeaf, LogState, NewLeaf } from './plan-append.js';
import type { IncomingLeaf } from './read-message.js';

/** Set-based statements of one append; the caller holds the locks of all these logs. */

export const readLogs = async (tx: PgTransaction, tenants: readonly string[]): Promise<ReadonlyMap<string, LogState>> => {
  const { rows } = await tx.query<{ tenant: string; frontier: Frontier; generation: number }>('SELECT tenant, frontier, generation FROM log WHERE tenant = ANY ($1::text[])', [tenants]);
  return new Map(rows.map(({ tenant, frontier, generation }) => [tenant, { frontier, generation }]));
};

/** Leaves with the event ids of these messages; for bytes without an id, those of the same bytes. */
export const knownLeaves = async (tx: PgTransaction, tenants: readonly string[], incoming: readonly IncomingLeaf[]): Promise<readonly KnownLeaf[]> => {
  const text = `
    SELECT DISTINCT leaf.tenant, leaf.event_id, encode(leaf.leaf_hash, 'hex') AS hash, leaf.origin = 'ok' AS origin_ok
    FROM unnest($1::text[], $2::bytea[]) AS wanted (event_id, leaf_hash)
    JOIN leaf ON leaf.tenant = ANY ($3::text[]) AND leaf.event_id = wanted.event_id AND (wanted.event_id <> '' OR leaf.leaf_hash = wanted.leaf_hash)`;
  const { rows } = await tx.query<{ tenant: string; event_id: string; hash: string; origin_ok: boolean }>(text, [incoming.map(({ eventId }) => eventId), incoming.map(({ hash }) => hash), tenants]);
  return rows.map((row) => ({ tenant: row.tenant, eventId: row.event_id, hash: row.hash, originOk: row.origin_ok }));
};

const INSERT_LEAVES = `
INSERT INTO leaf (tenant, sequence, leaf_hash, bytes, event_id, type, origin, fork, path, signature, key_id, ordinal, topic, partition, "offset")
SELECT * FROM unnest($1::text[], $2::bigint[], $3::bytea[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::boolean[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::text[], $14::integer[], $15::bigint[])`;

const leafColumns = (leaves: readonly NewLeaf[]): unknown[][] => [
  leaves.map(({ tenant }) => tenant),
  leaves.map(({ sequence }) => sequence),
  ...[
    (leaf: IncomingLeaf): unknown => leaf.hash,
    (leaf: IncomingLeaf) => leaf.bytes,
    (leaf: IncomingLeaf) => leaf.eventId,
    (leaf: IncomingLeaf) => leaf.type ?? null,
    (leaf: IncomingLeaf) => leaf.origin,
  ].map((column) => leaves.map(({ leaf }) => column(leaf))),
  leaves.map(({ fork }) => fork),
  ...[
    (leaf: IncomingLeaf): unknown => leaf.path ?? null,
    (leaf: IncomingLeaf) => leaf.signature ?? null,
    (leaf: IncomingLeaf) => leaf.keyId ?? null,
    (leaf: IncomingLeaf) => leaf.ordinal ?? null,
    (leaf: IncomingLeaf) => leaf.topic,
    (leaf: IncomingLeaf) => leaf.partition,
    (leaf: IncomingLeaf) => leaf.offset,
  ].map((column) => leaves.map(({ leaf }) => column(leaf))),
];

export const writePlan = async (tx: PgTransaction, { leaves, frontiers, nodes }: AppendPlan): Promise<void> => {
  await tx.query(INSERT_LEAVES, leafColumns(leaves));
  if (nodes.length > 0) {
    const values = [nodes.map(({ tenant }) => tenant), nodes.map(({ level }) => level), nodes.map(({ index }) => index), nodes.map(({ hash }) => hash)];
    await tx.query('INSERT INTO log_node (tenant, level, index, hash) SELECT * FROM unnest($1::text[], $2::smallint[], $3::bigint[], $4::bytea[])', values);
  }
  const grown = [...frontiers];
  await tx.query(
    `INSERT INTO log (tenant, size, frontier) SELECT * FROM unnest($1::text[], $2::bigint[], $3::jsonb[])
     ON CONFLICT (tenant) DO UPDATE SET size = excluded.size, frontier = excluded.frontier`,
    [grown.map(([tenant]) => tenant), grown.map(([, { size }]) => size), grown.map(([, frontier]) => JSON.stringify(frontier))],
  );
};
