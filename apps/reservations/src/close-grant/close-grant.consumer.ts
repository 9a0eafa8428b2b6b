import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ActionWithdrawn, GrantClosed, GrantRevoked, streamKey } from '@exequatur/contracts';
import type { DataOf, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, OnEvent } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { Database } from '@exequatur/service-kit';
import type { Queryable } from '@exequatur/service-kit';

const grantStream = (tenant: string, grantId: string): StreamId => ({ tenant, aggregate: 'grant', id: grantId });

const CLOSE = `
INSERT INTO grant_row (tenant, grant_id, action_id, closed) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, grant_id) DO UPDATE SET closed = excluded.closed WHERE grant_row.closed IS NULL`;

/** Tombstones: effective when this commits, also for grants that have not arrived yet. */
@Controller()
export class CloseGrantWhenTakenBack {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly store: PgEventStore,
    private readonly database: Database,
  ) {}

  /** The row's own lock orders this against claims. */
  @OnEvent(GrantRevoked)
  async revoked(@Payload() delivery: Delivery<DataOf<typeof GrantRevoked>>): Promise<void> {
    const { tenant, data } = delivery.event;
    await this.inbox.once(delivery, { fences: [{ tenant, mode: 'shared' }], streams: [grantStream(tenant, data.grant_id)] }, (tx) => this.close(tx, delivery, [data.grant_id], 'revoked'));
  }

  /** Exclusive fence: a grant that is being admitted right now is either seen here, or sees the withdrawal. */
  @OnEvent(ActionWithdrawn)
  async withdrawn(@Payload() delivery: Delivery<DataOf<typeof ActionWithdrawn>>): Promise<void> {
    const { tenant, data } = delivery.event;
    const known = await this.grantsOf(this.database, tenant, data.action_id);
    const locks = { fences: [{ tenant, mode: 'exclusive' as const }], streams: known.map((grantId) => grantStream(tenant, grantId)) };
    await this.inbox.once(delivery, locks, async (tx) => {
      const now = await this.grantsOf(tx, tenant, data.action_id);
      // Between looking and locking; thrown, so that the transport delivers again and the new one's stream is locked too.
      if (now.some((grantId) => !known.includes(grantId))) throw new Error('another grant of the action appeared: deliver again');
      await tx.query('INSERT INTO withdrawn_action (tenant, action_id) VALUES ($1, $2) ON CONFLICT DO NOTHING', [tenant, data.action_id]);
      await this.close(tx, delivery, known, 'withdrawn');
    });
  }

  /** An allowance has its action's id, also when it is not here yet. */
  private async grantsOf(db: Queryable, tenant: string, actionId: string): Promise<readonly string[]> {
    const { rows } = await db.query<{ grant_id: string }>('SELECT grant_id FROM grant_row WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
    return [...new Set([actionId, ...rows.map(({ grant_id }) => grant_id)])].sort();
  }

  private async close(tx: PgTransaction, { event }: Delivery<{ readonly action_id: string }>, grantIds: readonly string[], reason: 'revoked' | 'withdrawn'): Promise<void> {
    const { tenant, data } = event;
    const closed: string[] = [];
    for (const grantId of grantIds) {
      const { rowCount } = await tx.query(CLOSE, [tenant, grantId, data.action_id, reason]);
      if (rowCount === 1) closed.push(grantId);
    }
    if (closed.length === 0) return;
    const versions = await this.store.versions(tx, closed.map((grantId) => grantStream(tenant, grantId)));
    await this.store.append(
      tx,
      closed.map((grantId) => ({
        stream: grantStream(tenant, grantId),
        expectedVersion: versions.get(streamKey(grantStream(tenant, grantId))) ?? 0,
        events: [{ definition: GrantClosed, data: { grant_id: grantId, action_id: data.action_id, reason }, actor: { type: 'service' as const, id: 'reservations' }, correlationId: data.action_id, causationId: event.id }],
      })),
    );
  }
}
