import { createHash } from 'node:crypto';
import type { Queryable } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import type { TimelineRow } from './project.js';

export type GenerationRow = TimelineRow & { readonly generation: number };

const INSERT = `
INSERT INTO timeline (tenant, generation, event_id, action_id, sequence, name, type, service, version, time, actor_type, actor_id, event_hash, data)
SELECT * FROM unnest($1::text[], $2::integer[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::integer[], $10::text[], $11::text[], $12::text[], $13::text[], $14::text[])
ON CONFLICT (tenant, generation, event_id) DO NOTHING`;

/** Of several rows of one event the first stands, within the call too. */
export const insertTimeline = async (tx: Queryable, rows: readonly GenerationRow[]): Promise<void> => {
  if (rows.length === 0) return;
  const column = (of: (row: GenerationRow) => unknown): unknown[] => rows.map(of);
  await tx.query(INSERT, [
    column((row) => row.tenant),
    column((row) => row.generation),
    column((row) => row.event_id),
    column((row) => row.action_id),
    column((row) => row.sequence),
    column((row) => row.name),
    column((row) => row.type),
    column((row) => row.service),
    column((row) => row.version),
    column((row) => row.time),
    column((row) => row.actor_type),
    column((row) => row.actor_id),
    column((row) => row.event_hash),
    column((row) => row.data),
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
