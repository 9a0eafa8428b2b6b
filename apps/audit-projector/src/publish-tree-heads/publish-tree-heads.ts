import { Inject, Injectable } from '@nestjs/common';
import { streamKey, TreeHeadPublished } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { frontierRoot, signTreeHead } from '@exequatur/audit-chain';
import type { Frontier } from '@exequatur/audit-chain';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { CLOCK, Database, Signer } from '@exequatur/service-kit';
import { logStream } from '../append-leaves/append-leaves.js';
import { AUDIT_LIMITS, UNREADABLE_LOG } from '../limits.js';

/** The name of a tenant's log in its tree heads, and of the key that signs them; such names hold no plus (c2sp.org/signed-note). */
export const logOrigin = (tenant: string): string => `exequatur/${tenant.replaceAll('+', '%2B')}`;

/** Signs size and root of logs that have grown. One head a size: the row's key, and the log's lock. */
@Injectable()
export class PublishTreeHeads {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly signer: Signer,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** Publishes what is due now: a second with traffic, or 1,000 leaves. One log that fails keeps no other waiting. @throws AggregateError */
  async publishDue(): Promise<void> {
    const text = `
      SELECT tenant FROM log WHERE head_size < size AND (size - head_size >= $1 OR head_at <= clock_timestamp() - make_interval(secs => $2))
      ORDER BY tenant LIMIT 500`;
    const { rows } = await this.database.query<{ tenant: string }>(text, [AUDIT_LIMITS.treeHeadEveryLeaves, AUDIT_LIMITS.treeHeadEveryMs / 1_000]);
    const failures: unknown[] = [];
    for (const { tenant } of rows) await this.publish(tenant).catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures, `${failures.length} of ${rows.length} tree heads were not published`);
  }

  /** A tree head over all leaves the log has now, unless there is one. */
  publish(tenant: string): Promise<void> {
    return this.store.transact({ streams: [logStream(tenant)] }, (tx) => this.publishIn(tx, tenant));
  }

  /** The same in a transaction that holds the log's lock. */
  async publishIn(tx: PgTransaction, tenant: string): Promise<void> {
    const { rows } = await tx.query<{ frontier: Frontier }>('SELECT frontier FROM log WHERE tenant = $1 AND head_size < size', [tenant]);
    const frontier = rows[0]?.frontier;
    if (frontier === undefined) return;
    const [root, publishedAt] = [frontierRoot(frontier), toInstant(this.clock.now())];
    const note = signTreeHead({ origin: logOrigin(tenant), size: frontier.size, root, timestamp: publishedAt }, this.signer.signingKey);
    await tx.query('INSERT INTO tree_head (tenant, size, root, note, published_at) VALUES ($1, $2, $3, $4, $5)', [tenant, frontier.size, root, note, publishedAt]);
    await tx.query('UPDATE log SET head_size = $2, head_at = clock_timestamp() WHERE tenant = $1', [tenant, frontier.size]);
    // That log belongs to nobody who could read the event.
    if (tenant === UNREADABLE_LOG) return;
    const stream: StreamId = logStream(tenant);
    const version = (await this.store.versions(tx, [stream])).get(streamKey(stream)) ?? 0;
    const data = { log: tenant, size: frontier.size, root: `sha256:${root.toString('hex')}`, note, published_at: publishedAt };
    await this.store.append(tx, [{ stream, expectedVersion: version, events: [{ definition: TreeHeadPublished, data, actor: { type: 'service', id: 'audit' } }] }]);
  }
}
