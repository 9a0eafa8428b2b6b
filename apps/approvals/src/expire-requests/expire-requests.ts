import { Injectable } from '@nestjs/common';
import { decide } from '@exequatur/approvals-domain';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor } from '@exequatur/event-store';
import { isRefusal } from '@exequatur/kernel';
import { Database } from '@exequatur/service-kit';
import { approvalStream, ApprovalStreams } from '../approval-stream/approval-streams.js';
import { APPROVAL_LIMITS } from '../limits.js';

/** Time ends a request, nobody does. */
export const EXPIRING: Actor = { type: 'system', id: 'approvals' };

interface Due {
  readonly tenant: string;
  readonly approval_id: string;
}

/** Ends requests that nobody answered in time, or escalates them, and reminds before that: by the database's clock. Any number of instances may sweep at once. */
@Injectable()
export class ExpireRequests {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
  ) {}

  /**
   * Settles one batch of due requests, each in its own transaction; one that cannot be ended does not hold up the others.
   * @returns how many were settled, and what went wrong with the rest
   */
  async sweep(): Promise<{ readonly ended: number; readonly failures: readonly unknown[] }> {
    const { rows } = await this.database.query<Due>(
      `(SELECT tenant, approval_id FROM approval_request WHERE status = 'open' AND expires_at <= clock_timestamp() ORDER BY expires_at LIMIT $1)
UNION (SELECT tenant, approval_id FROM approval_request WHERE status = 'open' AND remind_at <= clock_timestamp() ORDER BY remind_at LIMIT $1)`,
      [APPROVAL_LIMITS.expiryBatch],
    );
    const failures: unknown[] = [];
    for (const due of rows) await this.settle(due).catch((error: unknown) => failures.push(error));
    return { ended: rows.length - failures.length, failures };
  }

  private async settle({ tenant, approval_id }: Due): Promise<void> {
    await this.store.transact({ streams: [approvalStream(tenant, approval_id)] }, async (tx) => {
      const approval = await this.streams.load(tx, tenant, approval_id);
      if (approval === undefined) return;
      const now = await this.streams.databaseNow(tx);
      for (const type of ['Expire', 'Remind'] as const) {
        const decision = decide({ type, metadata: { now } }, approval.state);
        if (isRefusal(decision) || decision.length === 0) continue;
        await this.streams.append(tx, tenant, approval.events, decision, { actor: EXPIRING, now });
        return;
      }
    });
  }
}
