import { Injectable } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { Database } from '@exequatur/service-kit';
import { approvalStream, ApprovalStreams } from '../approval-stream/approval-streams.js';
import { keepQueueRow } from './queue-row.js';

/** Streams read before the next ones are looked for; each is rebuilt in a transaction of its own, so none is long. */
const BATCH = 200;

/** Makes the queue's rows again from the streams, beside live traffic: each under the lock of its stream. */
@Injectable()
export class RebuildQueue {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
  ) {}

  /** @returns how many requests there are */
  async rebuild(): Promise<number> {
    let rebuilt = 0;
    let after: readonly [tenant: string, id: string] = ['', ''];
    for (;;) {
      const { rows } = await this.database.query<{ tenant: string; subject: string }>(
        "SELECT DISTINCT tenant, subject FROM event WHERE aggregate = 'approval' AND (tenant, subject) > ($1, $2) ORDER BY tenant, subject LIMIT $3",
        [...after, BATCH],
      );
      for (const { tenant, subject } of rows) await this.rebuildOne(tenant, subject);
      rebuilt += rows.length;
      const last = rows.at(-1);
      if (last === undefined || rows.length < BATCH) return rebuilt;
      after = [last.tenant, last.subject];
    }
  }

  private async rebuildOne(tenant: string, approvalId: string): Promise<void> {
    await this.store.transact({ streams: [approvalStream(tenant, approvalId)] }, async (tx) => {
      const approval = await this.streams.load(tx, tenant, approvalId);
      if (approval !== undefined) await keepQueueRow(tx, approval);
    });
  }
}
