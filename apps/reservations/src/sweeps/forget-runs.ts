import { Injectable } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { runScopePath } from '@exequatur/reservations-domain';
import { Database } from '@exequatur/service-kit';
import { databaseNow } from '../authority/runtime-authority.js';
import { TenantBoards } from '../authority/tenant-board.js';

/** A run in which nothing was claimed or settled for so long is over; its id then begins anew. */
export const RUN_REST_MS = 31 * 24 * 3_600_000;
const MAX_LOOKED = 500;
const MAX_FORGOTTEN = 100;

interface Run {
  readonly tenant: string;
  readonly agent: string;
  readonly run_id: string;
}

const DUE = `SELECT tenant, agent, run_id FROM run WHERE looked_at IS NULL OR looked_at <= clock_timestamp() - interval '1 day' ORDER BY looked_at NULLS FIRST LIMIT $1`;

/** Entries are read before they are put down: one made in between is seen as a change by the next look. */
const LOOK = `
UPDATE run SET looked_at = clock_timestamp(), entries = seen.entries,
  unchanged_since = CASE WHEN run.entries = seen.entries THEN coalesce(run.unchanged_since, clock_timestamp()) ELSE clock_timestamp() END
FROM (
  SELECT w.tenant, w.agent, w.run_id, coalesce((SELECT sum(b.entry_no) FROM budget b WHERE b.tenant = w.tenant AND b.scope_path = w.scope_path AND b.run_limit IS NOT NULL), 0)::bigint AS entries
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS w (tenant, agent, run_id, scope_path)
) AS seen
WHERE run.tenant = seen.tenant AND run.agent = seen.agent AND run.run_id = seen.run_id`;

const RESTED = `SELECT tenant, agent, run_id FROM run WHERE unchanged_since <= clock_timestamp() - make_interval(secs => $1) ORDER BY tenant LIMIT $2`;

/** The same question again where nobody can claim meanwhile: no entry since it was looked at, nothing held, no clock that still runs. */
const FORGET = `
WITH wanted AS (
  SELECT r.agent, r.run_id, w.scope_path FROM unnest($2::text[], $3::text[], $4::text[]) AS w (agent, run_id, scope_path)
  JOIN run r ON r.tenant = $1 AND r.agent = w.agent AND r.run_id = w.run_id
  WHERE r.unchanged_since <= clock_timestamp() - make_interval(secs => $5) AND coalesce(r.started_at_ms, 0) <= $6
    AND r.entries = coalesce((SELECT sum(b.entry_no) FROM budget b WHERE b.tenant = $1 AND b.scope_path = w.scope_path AND b.run_limit IS NOT NULL), 0)
    AND NOT EXISTS (SELECT FROM budget b WHERE b.tenant = $1 AND b.scope_path = w.scope_path AND b.run_limit IS NOT NULL AND b.held > 0)
), limits AS (
  DELETE FROM budget b USING wanted w WHERE b.tenant = $1 AND b.scope_path = w.scope_path AND b.run_limit IS NOT NULL
)
DELETE FROM run r USING wanted w WHERE r.tenant = $1 AND r.agent = w.agent AND r.run_id = w.run_id`;

/** Takes away runs that are over, with their limits: agents name a new run for every piece of work. */
@Injectable()
export class ForgetRuns {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly boards: TenantBoards,
  ) {}

  async sweep(): Promise<void> {
    await this.look();
    const { rows } = await this.database.query<Run & Record<string, unknown>>(RESTED, [RUN_REST_MS / 1_000, MAX_FORGOTTEN]);
    for (const tenant of new Set(rows.map((run) => run.tenant))) await this.forget(tenant, rows.filter((run) => run.tenant === tenant));
  }

  private async look(): Promise<void> {
    const { rows } = await this.database.query<Run & Record<string, unknown>>(DUE, [MAX_LOOKED]);
    if (rows.length > 0) await this.database.query(LOOK, [rows.map(({ tenant }) => tenant), rows.map(({ agent }) => agent), rows.map(({ run_id }) => run_id), rows.map(pathOf)]);
  }

  /** Under the exclusive fence: no claim is between its look at the run and its commit. */
  private forget(tenant: string, runs: readonly Run[]): Promise<void> {
    return this.store.transact({ fences: [{ tenant, mode: 'exclusive' }], streams: [] }, async (tx) => {
      await tx.query(FORGET, [tenant, runs.map(({ agent }) => agent), runs.map(({ run_id }) => run_id), runs.map(pathOf), RUN_REST_MS / 1_000, await this.startedBy(tx, tenant)]);
    });
  }

  /** `max_seconds` refuses by the beginning of a run alone: while one could still be refused for it, or was a rest ago, it is remembered. */
  private async startedBy(tx: PgTransaction, tenant: string): Promise<number> {
    const limits = (await this.boards.read(tx, [tenant])).get(tenant)?.policy?.limits?.run;
    return (await databaseNow(tx)) - RUN_REST_MS - (limits?.max_seconds ?? 0) * 1_000;
  }
}

const pathOf = ({ tenant, agent, run_id }: Run): string => runScopePath(tenant, agent, run_id);
