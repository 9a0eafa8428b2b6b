import { createHash } from 'node:crypto';
import type { Queryable } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import { foldFact } from './fold-fact.js';
import type { ActionFact } from './fold-fact.js';

type FactRow = { readonly action_id: string; readonly fact: ActionFact };

const WRITE = `
INSERT INTO action_fact (tenant, action_id, proposed_at, kind, agent, fact)
SELECT $1, action_id, (fact ->> 'proposedAt')::timestamptz, fact ->> 'kind', fact ->> 'agent', fact FROM unnest($2::text[], $3::jsonb[]) AS given (action_id, fact)
ON CONFLICT (tenant, action_id) DO UPDATE SET proposed_at = excluded.proposed_at, kind = excluded.kind, agent = excluded.agent, fact = excluded.fact`;

/**
 * Folds the next chunk of a tenant's timeline into its facts, in the caller's transaction, whose lock on the cursor's row makes one
 * of several instances do it. @returns whether there may be more
 */
export const foldChunk = async (tx: Queryable, tenant: string): Promise<boolean> => {
  await tx.query('INSERT INTO action_fact_cursor (tenant, next_sequence) VALUES ($1, 0) ON CONFLICT DO NOTHING', [tenant]);
  const cursor = await tx.query<{ next: string }>('SELECT next_sequence::text AS next FROM action_fact_cursor WHERE tenant = $1 FOR UPDATE', [tenant]);
  const [next, size] = [Number(cursor.rows[0]?.next ?? 0), await sizeOf(tx, tenant)];
  const to = Math.min(size, next + AUDIT_LIMITS.factLeaves);
  if (to <= next) return false;
  // By the leaves' key: the timeline has no index by sequence, which would cost every append.
  const text = `
    SELECT t.action_id, t.name, t.time, t.data FROM leaf JOIN log ON log.tenant = leaf.tenant
    JOIN timeline t ON t.tenant = leaf.tenant AND t.generation = log.generation AND t.event_id = leaf.event_id AND t.sequence = leaf.sequence
    WHERE leaf.tenant = $1 AND leaf.sequence >= $2 AND leaf.sequence < $3 ORDER BY leaf.sequence`;
  const { rows } = await tx.query<{ action_id: string; name: string; time: string; data: string }>(text, [tenant, next, to]);
  const ids = [...new Set(rows.map(({ action_id: id }) => id))];
  const known = await tx.query<FactRow>('SELECT action_id, fact FROM action_fact WHERE tenant = $1 AND action_id = ANY ($2::text[])', [tenant, ids]);
  const facts = new Map<string, ActionFact>(known.rows.map(({ action_id: id, fact }) => [id, fact]));
  for (const row of rows) facts.set(row.action_id, foldFact(facts.get(row.action_id) ?? {}, row));
  if (ids.length > 0) await tx.query(WRITE, [tenant, ids, ids.map((id) => JSON.stringify(facts.get(id)))]);
  await tx.query('UPDATE action_fact_cursor SET next_sequence = $2 WHERE tenant = $1', [tenant, to]);
  return to < size;
};

const sizeOf = async (tx: Queryable, tenant: string): Promise<number> => Number((await tx.query<{ size: string }>('SELECT size::text FROM log WHERE tenant = $1', [tenant])).rows[0]?.size ?? 0);

/** Actions proposed in a period, at most so many. */
export const factsBetween = async (db: Queryable, tenant: string, from: Date, to: Date): Promise<readonly ActionFact[]> => {
  const { rows } = await db.query<FactRow>('SELECT action_id, fact FROM action_fact WHERE tenant = $1 AND proposed_at >= $2 AND proposed_at < $3 ORDER BY proposed_at LIMIT $4', [tenant, from, to, AUDIT_LIMITS.countedActions]);
  return rows.map(({ fact }) => fact);
};

/** Forgets the facts of a tenant; folding makes them again. */
export const forgetFacts = async (tx: Queryable, tenant: string): Promise<void> => {
  await tx.query('DELETE FROM action_fact WHERE tenant = $1', [tenant]);
  await tx.query('DELETE FROM action_fact_cursor WHERE tenant = $1', [tenant]);
};

/** Hash over every fact of a tenant, by action. */
export const factsDigest = async (db: Queryable, tenant: string): Promise<string> => {
  const { rows } = await db.query<{ line: string }>('SELECT json_build_array(action_id, fact)::text AS line FROM action_fact WHERE tenant = $1 ORDER BY action_id', [tenant]);
  const digest = createHash('sha256');
  for (const { line } of rows) digest.update(line).update('\n');
  return `sha256:${digest.digest('hex')}`;
};
