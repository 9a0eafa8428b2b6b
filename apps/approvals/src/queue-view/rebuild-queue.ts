import { Injectable } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { Database } from '@exequatur/service-kit';
import { approvalStream, ApprovalStreams } from '../approval-stream/approval-streams.js';
import { keepReviewRow, reviewStream } from '../review-afterwards/review-rows.js';
import { keepQueueRow } from './queue-row.js';

/** Streams read before the next ones are looked for; each is rebuilt in a transaction of its own, so none is long. */
const BATCH = 200;

type Rebuild = (tenant: string, subject: string) => Promise<void>;

/** Makes the queue's rows again from the streams, and those of reviews after the fact, beside live traffic: each under the lock of its stream. */
@Injectable()
export class RebuildQueue {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
  ) {}

  /** @returns how many requests there are */
  rebuild(): Promise<number> {
    return this.each('approval', (tenant, approvalId) => this.rebuildRequest(tenant, approvalId));
  }

  /** @returns how many reviews there are */
  rebuildReviews(): Promise<number> {
    return this.each('review', (tenant, actionId) => this.rebuildReview(tenant, actionId));
  }

  private async each(aggregate: string, rebuild: Rebuild): Promise<number> {
    let rebuilt = 0;
    let after: readonly [tenant: string, id: string] = ['', ''];
    for (;;) {
      const { rows } = await this.database.query<{ tenant: string; subject: string }>(
        'SELECT DISTINCT tenant, subject FROM event WHERE aggregate = $4 AND (tenant, subject) > ($1, $2) ORDER BY tenant, subject LIMIT $3',
        [...after, BATCH, aggregate],
      );
      for (const { tenant, subject } of rows) await rebuild(tenant, subject);
      rebuilt += rows.length;
      const last = rows.at(-1);
      if (last === undefined || rows.length < BATCH) return rebuilt;
      after = [last.tenant, last.subject];
    }
  }

  private async rebuildRequest(tenant: string, approvalId: string): Promise<void> {
    await this.store.transact({ streams: [approvalStream(tenant, approvalId)] }, async (tx) => {
      const approval = await this.streams.load(tx, tenant, approvalId);
      if (approval !== undefined) await keepQueueRow(tx, approval);
    });
  }

  private async rebuildReview(tenant: string, actionId: string): Promise<void> {
    const stream = reviewStream(tenant, actionId);
    await this.store.transact({ streams: [stream] }, async (tx) => keepReviewRow(tx, tenant, await this.store.load(tx, stream)));
  }
}
