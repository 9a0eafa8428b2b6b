import { Injectable } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { DEFAULT_CIRCUIT } from '@exequatur/reservations-domain';
import { Database } from '@exequatur/service-kit';
import { databaseNow } from '../authority/runtime-authority.js';
import { TenantBoards } from '../authority/tenant-board.js';

/** A closed circuit that has counted nothing for so long, or for two of its windows, says nothing any more. */
export const CIRCUIT_REST_MS = 31 * 24 * 3_600_000;
const MAX_FORGOTTEN = 500;

/** The newest tenth of its window in which something was counted; closing empties the counts. */
const NEWEST = "greatest(coalesce((c.counts -> -1 ->> 'startMs')::bigint, 0), CASE WHEN c.moved_at = '-infinity' THEN 0 ELSE floor(extract(epoch FROM c.moved_at) * 1000)::bigint END)";

const RESTED = `SELECT c.tenant, c.circuit_id FROM circuit c WHERE c.status = 'Closed' AND NOT c.due AND ${NEWEST} <= extract(epoch FROM clock_timestamp()) * 1000 - $1 ORDER BY c.tenant LIMIT $2`;

const FORGET = `
DELETE FROM circuit c WHERE c.tenant = $1 AND c.circuit_id = ANY($2::uuid[]) AND c.status = 'Closed' AND NOT c.due AND ${NEWEST} <= $3
  AND NOT EXISTS (SELECT FROM circuit_probe p WHERE p.circuit_id = c.circuit_id)`;

/** Takes away closed circuits of agents, and of kinds, that are not heard of any more. */
@Injectable()
export class ForgetCircuits {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly boards: TenantBoards,
  ) {}

  async sweep(): Promise<void> {
    const { rows } = await this.database.query<{ tenant: string; circuit_id: string }>(RESTED, [CIRCUIT_REST_MS, MAX_FORGOTTEN]);
    for (const tenant of new Set(rows.map((row) => row.tenant))) await this.forget(tenant, rows.flatMap((row) => (row.tenant === tenant ? [row.circuit_id] : [])));
  }

  /** Under the exclusive fence, as every move of a circuit; what is counted meanwhile is counted again (`FoldSeen`). */
  private forget(tenant: string, ids: readonly string[]): Promise<void> {
    return this.store.transact({ fences: [{ tenant, mode: 'exclusive' }], streams: [] }, async (tx) => {
      const windowMs = (await this.boards.read(tx, [tenant])).get(tenant)?.policy?.limits?.circuit?.window_ms ?? DEFAULT_CIRCUIT.window_ms;
      await tx.query(FORGET, [tenant, ids, (await databaseNow(tx)) - Math.max(CIRCUIT_REST_MS, 2 * windowMs)]);
    });
  }
}
