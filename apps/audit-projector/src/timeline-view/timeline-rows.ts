import { createHash } from 'node:crypto';
import { pgArray } from '@exequatur/event-store';
import type { Queryable } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import type { TimelineRow } from './project.js';

export type GenerationRow = TimelineRow & { readonly generation: number };

const INSERT = `
INSERT INTO timeline (tenant, generation, event_id, action_id, sequence, name, type, service, version, time, actor_type, actor_id, event_hash, data)
SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::integer[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[])`;
const UNLESS_THERE = 'ON CONFLICT (tenant, generation, event_id) DO NOTHING';

/** Of a generation nobody reads yet: its commit does not wait for the disk, since the one that switches to it comes after it in the log and does. */
const INSERT_UNREAD = `${INSERT} WHERE (SELECT set_config('synchronous_commit', 'off', true)) IS NOT NULL`;

/** Of several rows of one event the first stands, within the call too. */
export const insertTimeline = (tx: Queryable, rows: readonly GenerationRow[]): Promise<void> => insert(tx, `${INSERT} ${UNLESS_THERE}`, rows);

const UNIQUE_VIOLATION = '23505';

/** Each call a transaction of its own. Two leaves of one event are rare, so a chunk is written as if there were none. */
export const insertUnread = async (db: Queryable, rows: readonly GenerationRow[]): Promise<void> => {
  try {
    await insert(db, INSERT_UNREAD, rows);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === UNIQUE_VIOLATION)) throw error;
    await insertTimeline(db, rows);
  }
};

const insert = async (db: Queryable, statement: string, rows: readonly GenerationRow[]): Promise<void> => {
  if (rows.length === 0) return;
  const text = (of: (row: GenerationRow) => string): Buffer => pgArray.text(rows.map(of));
  await db.query(statement, [
    text((row) => row.tenant),
    pgArray.int4(rows.map((row) => row.generation)),
    text((row) => row.event_id),
    text((row) => row.action_id),
    pgArray.int8(rows.map((row) => row.sequence)),
    text((row) => row.name),
    text((row) => row.type),
    text((row) => row.service),
    pgArray.int4(rows.map((row) => row.version)),
    text((row) => row.time),
    text((row) => row.actor_type),
    text((row) => row.actor_id),
    text((row) => row.event_hash),
    text((row) => row.data),
  ]);
};

/** Events of one action, in the order they were logged. */
export const readTimeline = async (db: Queryable, tenant: string, actionId: string): Promise<readonly TimelineRow[]> => {
  const text = `
    SELECT timeline.tenant, event_id, action_id, sequence::text, name, type, service, version, time, actor_type, actor_id, event_hash, data
    FROM timeline JOIN log ON log.tenant = timeline.tenant AND log.generation = timeline.generation
    WHERE timeline.tenant = $1 AND action_id = $2 ORDER BY timeline.sequence`;
  const { rows } = await db.query<Omit<TimelineRow, 'sequence'> & { sequence: string }>(text, [tenant, actionId]);
  return rows.map((row) => ({ ...row, sequence: Number(row.sequence) }));
};

const LINES = `
SELECT event_id, json_build_array(event_id, action_id, timeline.sequence, name, type, service, version, time, actor_type, actor_id, event_hash, data)::text AS line
FROM timeline WHERE tenant = $1 AND generation = $2 AND sequence < $3 AND event_id > $4 ORDER BY event_id LIMIT $5`;

/**
 * Hash over every row of a generation made from leaves below `size`, by event id; rows never change, so it is stable while the
 * log grows. In chunks, each a statement of its own.
 */
export const timelineDigest = async (db: Queryable, tenant: string, generation: number, size: number): Promise<{ readonly rows: number; readonly digest: string }> => {
  const digest = createHash('sha256');
  let count = 0;
  for (let after = ''; ; ) {
    const { rows } = await db.query<{ event_id: string; line: string }>(LINES, [tenant, generation, size, after, AUDIT_LIMITS.digestRows]);
    const last = rows.at(-1);
    if (last === undefined) return { rows: count, digest: `sha256:${digest.digest('hex')}` };
    for (const { line } of rows) digest.update(line).update('\n');
    count += rows.length;
    after = last.event_id;
  }
};
