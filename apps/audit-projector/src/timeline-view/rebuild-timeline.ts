import type { PgEventStore } from '@exequatur/event-store';
import type { Database, Queryable } from '@exequatur/service-kit';
import { logStream } from '../append-leaves/append-leaves.js';
import { AUDIT_LIMITS } from '../limits.js';
import { project } from './project.js';
import { insertTimeline, insertUnread, timelineDigest } from './timeline-rows.js';
import type { GenerationRow } from './timeline-rows.js';

export interface RebuiltTimeline {
  readonly tenant: string;
  /** leaves below this were replayed for the comparison */
  readonly leaves: number;
  readonly rows: number;
  readonly before: string;
  readonly after: string;
}

interface ReplayedLeaf {
  readonly sequence: string;
  readonly bytes: Buffer;
}

/** One statement, in recorded sequence. */
const readChunk = async (db: Queryable, tenant: string, generation: number, from: number): Promise<readonly GenerationRow[]> => {
  const text = `SELECT sequence::text, bytes FROM leaf WHERE tenant = $1 AND sequence >= $2 AND sequence < $3 AND origin = 'ok' AND NOT pruned ORDER BY leaf.sequence`;
  const { rows } = await db.query<ReplayedLeaf>(text, [tenant, from, from + AUDIT_LIMITS.rebuildLeaves]);
  return rows.flatMap(({ sequence, bytes }) => {
    const row = project(null, { tenant, sequence: Number(sequence), bytes });
    return row === null ? [] : [{ ...row, generation }];
  });
};

/** From one sequence up to another, which its last chunk may pass. The next chunk is read while one is written. */
const replay = async (db: Queryable, insert: typeof insertTimeline, tenant: string, generation: number, start: number, end: number): Promise<void> => {
  let reading = start < end ? readChunk(db, tenant, generation, start) : Promise.resolve([]);
  for (let from = start; from < end; from += AUDIT_LIMITS.rebuildLeaves) {
    const rows = await reading;
    const next = from + AUDIT_LIMITS.rebuildLeaves;
    if (next < end) reading = readChunk(db, tenant, generation, next);
    // Of two failures the first one is told.
    reading.catch(() => undefined);
    await insert(db, rows);
  }
};

const logNow = async (db: Queryable, tenant: string): Promise<{ size: number; generation: number }> => {
  const { rows } = await db.query<{ size: string; generation: number }>('SELECT size::text, generation FROM log WHERE tenant = $1', [tenant]);
  return { size: Number(rows[0]?.size ?? 0), generation: rows[0]?.generation ?? 1 };
};

/** Rows of other generations, in short statements. */
const sweep = async (database: Database, tenant: string, current: number): Promise<void> => {
  const text = 'DELETE FROM timeline WHERE ctid = ANY (ARRAY(SELECT ctid FROM timeline WHERE tenant = $1 AND generation <> $2 LIMIT 5000))';
  while (((await database.query(text, [tenant, current])).rowCount ?? 0) > 0);
};

/**
 * Makes a tenant's timeline anew from its leaves in recorded sequence, beside the one that is read and goes on growing; then
 * catches up and switches under the log's lock. Nothing long is one transaction.
 */
export const rebuildTimeline = async (database: Database, store: PgEventStore, tenant: string): Promise<RebuiltTimeline> => {
  const start = await logNow(database, tenant);
  const generation = start.generation + 1;
  // What an interrupted rebuild left behind.
  await sweep(database, tenant, start.generation);
  await replay(database, insertUnread, tenant, generation, 0, start.size);
  const [before, after] = await Promise.all([timelineDigest(database, tenant, start.generation, start.size), timelineDigest(database, tenant, generation, start.size)]);
  await store.transact({ streams: [logStream(tenant)] }, async (tx) => {
    const now = await logNow(tx, tenant);
    if (now.generation !== start.generation) throw new Error(`the timeline of ${tenant} was rebuilt by somebody else meanwhile`);
    // Not from where that ended: its last chunk may have ended in what was still growing.
    await replay(tx, insertTimeline, tenant, generation, start.size, now.size);
    await tx.query('UPDATE log SET generation = $2 WHERE tenant = $1', [tenant, generation]);
  });
  await sweep(database, tenant, generation);
  return { tenant, leaves: start.size, rows: after.rows, before: before.digest, after: after.digest };
};

/** Every tenant's, one after the other. */
export async function* rebuildAll(database: Database, store: PgEventStore): AsyncGenerator<RebuiltTimeline, void> {
  const { rows } = await database.query<{ tenant: string }>('SELECT tenant FROM log ORDER BY tenant');
  for (const { tenant } of rows) yield await rebuildTimeline(database, store, tenant);
}
