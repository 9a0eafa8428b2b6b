import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { decide } from '@exequatur/approvals-domain';
import { ActionWithdrawn } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { isRefusal } from '@exequatur/kernel';
import { Inbox, type Delivery } from '@exequatur/messaging';
import { Database } from '@exequatur/service-kit';
import { approvalStream, ApprovalStreams } from '../approval-stream/approval-streams.js';

type Withdrawal = Delivery<DataOf<typeof ActionWithdrawn>>;

/** A withdrawn action has nothing left to decide. A grant that exists already is ended by reservations, by action id. */
@Controller()
export class CancelRequestWhenActionIsWithdrawn {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly streams: ApprovalStreams,
    private readonly database: Database,
  ) {}

  @EventPattern([ActionWithdrawn.type])
  async handle(@Payload() delivery: Withdrawal): Promise<void> {
    const { tenant, data } = delivery.event;
    // ApprovalRequired stands before it in the action's stream, so a request that there will ever be is there now.
    const { rows } = await this.database.query<{ approval_id: string }>('SELECT approval_id FROM approval_request WHERE tenant = $1 AND action_id = $2 LIMIT 1', [tenant, data.action_id]);
    const streams = rows.map(({ approval_id }) => approvalStream(tenant, approval_id));
    await this.inbox.once(delivery, { streams }, async (tx) => {
      for (const { approval_id } of rows) await this.cancel(tx, delivery, approval_id);
    });
  }

  private async cancel(tx: PgTransaction, { event }: Withdrawal, approvalId: string): Promise<void> {
    const approval = await this.streams.load(tx, event.tenant, approvalId);
    if (approval === undefined) return;
    const now = await this.streams.databaseNow(tx);
    const decision = decide({ type: 'Cancel', metadata: { now } }, approval.state);
    if (isRefusal(decision) || decision.length === 0) return;
    await this.streams.append(tx, event.tenant, approval.events, decision, { actor: { type: 'service', id: 'approvals' }, causationId: event.id, now });
  }
}
