import { Inject, Injectable } from '@nestjs/common';
import type { Grant, SealedContent } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { CLOCK, Database } from '@exequatur/service-kit';
import { ExecutorConfig } from '../executor-config.js';
import { LIMITS } from '../limits.js';

/** One execution that this instance may work on, as it stood when it was taken. */
export interface Lease {
  readonly tenant: string;
  readonly executionId: string;
  readonly actionId: string;
  readonly useNo: number;
  /** the grant's, or the child that uses it under a delegation */
  readonly agent: string;
  readonly delegationId: string | undefined;
  readonly attempt: number;
  /** asks without a yes so far */
  readonly waits: number;
  readonly claims: Grant;
  readonly grantJws: string;
  readonly content: SealedContent;
  readonly contentEventId: string;
  /** By the database's clock, when the lease was taken. */
  readonly expired: boolean;
  /** Until when it is certainly ours without a further sign of life, on this process's monotonic clock. */
  heldUntil: number;
}

interface LeaseRow {
  readonly [column: string]: unknown;
  readonly tenant: string;
  readonly execution_id: string;
  readonly action_id: string;
  readonly use_no: number;
  readonly agent: string;
  readonly delegation_id: string | null;
  readonly attempt: number;
  readonly waits: number;
  readonly claims: Grant;
  readonly grant_jws: string;
  readonly content: SealedContent;
  readonly content_event_id: string;
  readonly expired: boolean;
}

/**
 * Taking is one statement: rows another instance just takes are skipped. A lease is judged by the database's clock, so no
 * instance's own clock can make it longer; each instance for itself counts from before it asked, so it ends there first.
 * Each tool gives as many as it has room for here ($4 to $7 say what runs, $8 what one may have at most), and tenants take turns.
 */
const TAKE = `
WITH RECURSIVE tool AS (
  (SELECT tenant, tool_name, tool_version FROM execution WHERE status = 'requested' ORDER BY tenant, tool_name, tool_version LIMIT 1)
  UNION ALL
  SELECT next.tenant, next.tool_name, next.tool_version FROM tool CROSS JOIN LATERAL (
    SELECT e.tenant, e.tool_name, e.tool_version FROM execution e
    WHERE e.status = 'requested' AND (e.tenant, e.tool_name, e.tool_version) > (tool.tenant, tool.tool_name, tool.tool_version)
    ORDER BY e.tenant, e.tool_name, e.tool_version LIMIT 1
  ) next
), room AS (
  SELECT tool.*, least(coalesce((c.settings ->> 'max_concurrency')::integer, $8), $9) - coalesce(r.running, 0) AS free
  FROM tool LEFT JOIN connector c USING (tenant, tool_name, tool_version)
  LEFT JOIN unnest($4::text[], $5::text[], $6::text[], $7::integer[]) AS r (tenant, tool_name, tool_version, running) USING (tenant, tool_name, tool_version)
), candidate AS (
  SELECT d.tenant, d.execution_id, d.next_step_at, row_number() OVER (PARTITION BY d.tenant ORDER BY d.next_step_at) AS turn
  FROM room CROSS JOIN LATERAL (
    SELECT e.tenant, e.execution_id, e.next_step_at FROM execution e
    WHERE e.tenant = room.tenant AND e.tool_name = room.tool_name AND e.tool_version = room.tool_version AND e.status = 'requested'
      AND e.next_step_at <= statement_timestamp() AND (e.lease_until IS NULL OR e.lease_until <= statement_timestamp())
    ORDER BY e.next_step_at LIMIT greatest(room.free, 0)
  ) d
), due AS (
  SELECT e.tenant, e.execution_id FROM execution e
  WHERE (e.tenant, e.execution_id) IN (SELECT tenant, execution_id FROM candidate ORDER BY turn, next_step_at LIMIT $1)
    AND e.status = 'requested' AND (e.lease_until IS NULL OR e.lease_until <= statement_timestamp())
  FOR UPDATE SKIP LOCKED
)
UPDATE execution e SET lease_owner = $2, lease_until = clock_timestamp() + $3 * interval '1 millisecond'
FROM due, managed_grant g
WHERE e.tenant = due.tenant AND e.execution_id = due.execution_id AND g.tenant = e.tenant AND g.grant_id = e.grant_id
RETURNING e.tenant, e.execution_id, e.action_id, e.use_no, e.agent, e.delegation_id, e.attempt, e.waits, g.claims, g.grant_jws, g.content, g.content_event_id, g.expires_at <= clock_timestamp() AS expired`;

const HEARTBEAT = `
UPDATE execution SET lease_until = clock_timestamp() + $2 * interval '1 millisecond'
WHERE lease_owner = $1 AND execution_id = ANY ($3::uuid[]) RETURNING execution_id`;

const WAIT = `
UPDATE execution SET attempt = $4, waits = waits + 1, waiting_for = $5, next_step_at = clock_timestamp() + $6 * interval '1 millisecond', lease_owner = NULL, lease_until = NULL
WHERE tenant = $1 AND execution_id = $2 AND lease_owner = $3 AND status = 'requested'`;

/** Which executions are this instance's to work on. Started ones stay leased too: a lapsed lease is how the others see that it is gone. */
@Injectable()
export class ExecutionLeases {
  /** New with every start: what an earlier life of this process held is not this one's. */
  readonly owner = newId();
  private readonly held = new Map<string, Lease>();

  constructor(
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
    private readonly config: ExecutorConfig,
  ) {}

  async take(atMost: number): Promise<readonly Lease[]> {
    const before = this.clock.monotonic();
    const { EXECUTOR_LEASE_MS: leaseMs, EXECUTOR_WORKERS: workers } = this.config;
    const running = this.runningByTool();
    const usual = Math.max(1, Math.ceil(workers * LIMITS.workersPerTool));
    const columns = (['tenant', 'name', 'version', 'count'] as const).map((column) => running.map((each) => each[column]));
    const { rows } = await this.database.query<LeaseRow>(TAKE, [atMost, this.owner, leaseMs, ...columns, usual, workers]);
    return rows.map((row) => {
      const lease = leaseOf(row, before + this.config.EXECUTOR_LEASE_MS);
      this.held.set(lease.executionId, lease);
      return lease;
    });
  }

  private runningByTool(): readonly { readonly tenant: string; readonly name: string; readonly version: string; readonly count: number }[] {
    const counts = new Map<string, { readonly tenant: string; readonly name: string; readonly version: string; count: number }>();
    for (const { tenant, claims } of this.held.values()) {
      const { name, version } = claims.tool;
      const key = JSON.stringify([tenant, name, version]);
      const known = counts.get(key);
      if (known === undefined) counts.set(key, { tenant, name, version, count: 1 });
      else known.count += 1;
    }
    return [...counts.values()];
  }

  /** Says for everything held that this instance lives. */
  async heartbeat(): Promise<void> {
    if (this.held.size === 0) return;
    const before = this.clock.monotonic();
    const { rows } = await this.database.query<{ execution_id: string }>(HEARTBEAT, [this.owner, this.config.EXECUTOR_LEASE_MS, [...this.held.keys()]]);
    for (const { execution_id } of rows) {
      const lease = this.held.get(execution_id);
      if (lease !== undefined) lease.heldUntil = before + this.config.EXECUTOR_LEASE_MS;
    }
  }

  /** What this instance works on now, whether or not its lease has lapsed meanwhile. */
  heldIds(): readonly string[] {
    return [...this.held.keys()];
  }

  isHeld(lease: Lease): boolean {
    return this.clock.monotonic() < lease.heldUntil;
  }

  /** Ends the turn of a requested execution: it is due again, for anyone, after `ms`. */
  async giveBack(lease: Lease, { attempt, reason, ms }: { readonly attempt: number; readonly reason: string; readonly ms: number }): Promise<void> {
    await this.database.query(WAIT, [lease.tenant, lease.executionId, this.owner, attempt, reason, ms]);
  }

  /** No further signs of life for it. */
  drop(lease: Lease): void {
    if (this.held.get(lease.executionId) === lease) this.held.delete(lease.executionId);
  }

  /** At an orderly stop: what has not started need not wait for its lease to lapse. */
  async releaseRequested(): Promise<void> {
    await this.database.query("UPDATE execution SET lease_owner = NULL, lease_until = NULL WHERE lease_owner = $1 AND status = 'requested'", [this.owner]);
  }
}

const leaseOf = (row: LeaseRow, heldUntil: number): Lease => ({
  tenant: row.tenant,
  executionId: row.execution_id,
  actionId: row.action_id,
  useNo: row.use_no,
  agent: row.agent,
  delegationId: row.delegation_id ?? undefined,
  attempt: row.attempt,
  waits: row.waits,
  claims: row.claims,
  grantJws: row.grant_jws,
  content: row.content,
  contentEventId: row.content_event_id,
  expired: row.expired,
  heldUntil,
});
