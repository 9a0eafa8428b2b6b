import { Inject, Injectable } from '@nestjs/common';
import { PolicyPublished, PolicyRolledBack, RetentionEnded, streamKey } from '@exequatur/contracts';
import type { DataOf, EventEnvelope, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { Clock } from '@exequatur/kernel';
import type { KeyStore } from '@exequatur/sealing';
import { CLOCK, Database, KEY_STORE } from '@exequatur/service-kit';
import { logStream } from '../append-leaves/append-leaves.js';
import { ForgetIntake } from '../erase-action/forget-intake.js';
import { streamsOf } from '../erase-action/keeping.js';
import { AUDIT_LIMITS } from '../limits.js';
import { readTimeline } from '../timeline-view/timeline-rows.js';
import { retentionOf, rulingOf, SHORTEST_RETENTION_MS } from './retention-of.js';
import type { PolicyClasses } from './retention-of.js';

/** Streams that are one action's alone: what lies on others (budgets, freezes, circuits) outlives it. */
const OF_ONE_ACTION = /\.(Action(Proposed|Allowed|Capped|Quarantined|Denied|Withdrawn|Reviewed)|Approval\w+|Vote(Refused|Lapsed)|Information\w+|Edit\w+|GlassBroken|EmergencyReviewed|CheckpointStored|CanaryAnswered|Grant\w+|RevocationTookEffect|Reservation\w+|Execution\w+|OverageAuthorised|BudgetSoftLimitReached|ErasureCompleted|LegalHold\w+|ReviewOpened)\.v\d+$/;

/** Actions that may be due: old enough, not held, and not looked at in vain before their time. */
const CANDIDATES = `
SELECT f.action_id FROM action_fact f LEFT JOIN retention_check c ON c.tenant = f.tenant AND c.action_id = f.action_id
WHERE f.tenant = $1 AND f.proposed_at <= $2 AND (c.due_at IS NULL OR c.due_at <= $3)
  AND NOT EXISTS (SELECT FROM legal_hold h WHERE h.tenant = f.tenant AND h.action_id::text = f.action_id)
ORDER BY f.proposed_at LIMIT $4`;

/** Ends what is older than its class is kept: the action's key, the bytes of its leaves, its rows in views. Hashes and roots stay. */
@Injectable()
export class EndRetention {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly intake: ForgetIntake,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @returns how many actions were ended */
  async run(nowMs = this.clock.now()): Promise<number> {
    const { rows } = await this.database.query<{ tenant: string }>('SELECT DISTINCT tenant FROM action_fact_cursor ORDER BY tenant');
    let ended = 0;
    for (const { tenant } of rows) ended += await this.ofTenant(tenant, nowMs);
    // Behind a signed proposal's longest life nobody needs what was taken from the intake topic.
    await this.database.query(`SELECT bus.empty_taken(NULL, '2 days')`);
    await this.intake.decided();
    return ended;
  }

  private async ofTenant(tenant: string, nowMs: number): Promise<number> {
    let ended = 0;
    for (;;) {
      const { rows } = await this.database.query<{ action_id: string }>(CANDIDATES, [tenant, new Date(nowMs - SHORTEST_RETENTION_MS), new Date(nowMs), AUDIT_LIMITS.retentionActions]);
      for (const { action_id: actionId } of rows) ended += (await this.action(tenant, actionId, nowMs)) ? 1 : 0;
      if (rows.length < AUDIT_LIMITS.retentionActions) return ended;
    }
  }

  /** Under the locks that a hold takes: neither passes the other. */
  private action(tenant: string, actionId: string, nowMs: number): Promise<boolean> {
    const stream: StreamId = { tenant, aggregate: RetentionEnded.aggregate, id: actionId };
    return this.store.transact({ streams: [logStream(tenant), stream, ...streamsOf(tenant, actionId)] }, async (tx) => {
      const held = await tx.query('SELECT FROM legal_hold WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
      const rows = await readTimeline(tx, tenant, actionId);
      const { policy_hash: policyHash, action_class: actionClass } = rulingOf(rows);
      const retention = retentionOf(rows, actionClass, policyHash === undefined ? undefined : await this.classesOf(tx, tenant, policyHash));
      if ((held.rowCount ?? 0) > 0 || retention.dueMs > nowMs) {
        await tx.query('INSERT INTO retention_check (tenant, action_id, due_at) VALUES ($1, $2, $3) ON CONFLICT (tenant, action_id) DO UPDATE SET due_at = excluded.due_at', [tenant, actionId, new Date(Math.max(retention.dueMs, nowMs + 1))]);
        return false;
      }
      const leaves = rows.filter(({ type }) => OF_ONE_ACTION.test(type)).map(({ sequence }) => sequence);
      await this.end(tx, tenant, actionId, leaves);
      const data: DataOf<typeof RetentionEnded> = { action_id: actionId, ...(actionClass === undefined ? {} : { action_class: actionClass }), retention_ms: retention.retentionMs, last_event_at: retention.lastEventAt, leaves };
      const expectedVersion = (await this.store.versions(tx, [stream])).get(streamKey(stream)) ?? 0;
      await this.store.append(tx, [{ stream, expectedVersion, events: [{ definition: RetentionEnded, data, actor: { type: 'service', id: 'audit' } }] }]);
      return true;
    });
  }

  private async end(tx: PgTransaction, tenant: string, actionId: string, leaves: readonly number[]): Promise<void> {
    await this.keys.destroyActionKey(tenant, actionId, tx);
    await tx.query(`UPDATE leaf SET bytes = '', path = NULL, signature = NULL, pruned = true WHERE tenant = $1 AND sequence = ANY ($2::bigint[]) AND NOT pruned`, [tenant, leaves]);
    await tx.query('DELETE FROM timeline WHERE tenant = $1 AND action_id = $2 AND sequence = ANY ($3::bigint[])', [tenant, actionId, leaves]);
    for (const table of ['action_fact', 'retention_check']) await tx.query(`DELETE FROM ${table} WHERE tenant = $1 AND action_id = $2`, [tenant, actionId]);
    for (const table of ['data_subject', 'erased_action']) await tx.query(`DELETE FROM ${table} WHERE tenant = $1 AND action_id = $2::uuid`, [tenant, actionId]);
  }

  private async classesOf(tx: PgTransaction, tenant: string, policyHash: string): Promise<PolicyClasses | undefined> {
    const { rows } = await tx.query<{ bytes: Buffer }>(`SELECT bytes FROM leaf WHERE tenant = $1 AND type = ANY ($2::text[]) AND origin = 'ok' AND position(convert_to($3, 'UTF8') IN bytes) > 0 LIMIT 1`, [tenant, [PolicyPublished.type, PolicyRolledBack.type], policyHash]);
    if (rows[0] === undefined) return undefined;
    const { data } = JSON.parse(rows[0].bytes.toString('utf8')) as EventEnvelope<{ readonly canonical: string }>;
    return (JSON.parse(data.canonical) as { readonly classes?: PolicyClasses }).classes;
  }
}
