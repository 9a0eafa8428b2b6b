import { StreamHeadsPublished, streamKey } from '@exequatur/contracts';
import type { DataOf, ServiceName, StreamId } from '@exequatur/contracts';
import { frontierRoot } from '@exequatur/audit-chain';
import type { PgEventStore } from '../pg-event-store.js';
import type { PgQueries } from '../pg-transaction.js';
import type { StreamWrite } from '../port.js';
import { readHeads } from './relay-cursor.js';
import type { StreamHead } from './relay-cursor.js';

/** Tenants announced in one transaction; it holds their locks. */
const TENANTS_AT_ONCE = 100;

const headsStream = (tenant: string, service: ServiceName): StreamId => ({ tenant, aggregate: StreamHeadsPublished.aggregate, id: service });

const headWrite = (service: ServiceName, { tenant, frontier }: StreamHead, expectedVersion: number): StreamWrite => {
  const data: DataOf<typeof StreamHeadsPublished> = { service, events: frontier.size, root: `sha256:${frontierRoot(frontier).toString('hex')}` };
  return { stream: headsStream(tenant, service), expectedVersion, events: [{ definition: StreamHeadsPublished, actor: { type: 'service', id: service }, data }] };
};

const unannounced = async (db: PgQueries): Promise<string[]> => {
  const text = 'SELECT tenant FROM stream_heads WHERE announced < events ORDER BY tenant LIMIT $1';
  const { rows } = await db.query<{ tenant: string }>(text, [TENANTS_AT_ONCE]);
  return rows.map(({ tenant }) => tenant);
};

const announceSome = (store: PgEventStore, tenants: readonly string[]): Promise<void> => {
  const streams = tenants.map((tenant) => headsStream(tenant, store.service));
  return store.transact({ streams }, async (tx) => {
    const [heads, versions] = [await readHeads(tx, tenants), await store.versions(tx, streams)];
    await store.append(tx, heads.map((head) => headWrite(store.service, head, versions.get(streamKey(headsStream(head.tenant, store.service))) ?? 0)));
    const text = 'UPDATE stream_heads SET announced = head.events FROM unnest($1::text[], $2::bigint[]) AS head (tenant, events) WHERE stream_heads.tenant = head.tenant AND announced < head.events';
    await tx.query(text, [heads.map(({ tenant }) => tenant), heads.map(({ frontier }) => frontier.size)]);
  });
};

/** Appends StreamHeadsPublished for each tenant with events published since its last one. It is relayed like any other event. */
export const announceHeads = async (db: PgQueries, store: PgEventStore): Promise<void> => {
  for (;;) {
    const tenants = await unannounced(db);
    if (tenants.length > 0) await announceSome(store, tenants);
    if (tenants.length < TENANTS_AT_ONCE) return;
  }
};
