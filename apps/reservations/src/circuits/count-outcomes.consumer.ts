import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ApprovalOpened, ApprovalRejected } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, OnEvent } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { sendSeen } from './seen-outcomes.js';

const ASKED = 'INSERT INTO circuit_asked (approval_id, tenant, agent, action_kind) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING';

/** What people refuse counts against the agent that asked. The rejection names the request, so who asked is kept until then. */
@Controller()
export class CountOutcomes {
  constructor(private readonly inbox: Inbox<PgTransaction>) {}

  @OnEvent(ApprovalOpened)
  async opened(@Payload() delivery: Delivery<DataOf<typeof ApprovalOpened>>): Promise<void> {
    const { tenant, data } = delivery.event;
    const kind = data.terms?.facts.action_kind;
    await this.inbox.once(delivery, { streams: [] }, async (tx) => {
      if (kind !== undefined) await tx.query(ASKED, [data.approval_id, tenant, data.agent, kind]);
    });
  }

  /** Both events are of one stream, so the request is known when its rejection comes. */
  @OnEvent(ApprovalRejected)
  async rejected(@Payload() delivery: Delivery<DataOf<typeof ApprovalRejected>>): Promise<void> {
    const { tenant, data } = delivery.event;
    await this.inbox.once(delivery, { streams: [] }, async (tx) => {
      const { rows } = await tx.query<{ agent: string; action_kind: string }>('DELETE FROM circuit_asked WHERE approval_id = $1 AND tenant = $2 RETURNING agent, action_kind', [data.approval_id, tenant]);
      sendSeen(tx, rows.map(({ agent, action_kind: actionKind }) => ({ tenant, agent, actionKind, outcome: 'rejected' as const })));
    });
  }
}
