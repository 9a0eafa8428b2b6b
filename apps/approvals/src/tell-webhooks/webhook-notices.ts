import { Injectable } from '@nestjs/common';
import { ApprovalEscalated, ApprovalOpened, GlassBroken } from '@exequatur/contracts';
import type { PgTransaction, RecordedEvent } from '@exequatur/event-store';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { endOf, statusOf } from '../queue-view/queue-row.js';
import { WebhookEndpoints, type WebhookEvent } from './webhook-endpoints.js';

const KEEP = `INSERT INTO webhook_notice (tenant, event_id, endpoint, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`;

/** Notices of what just happened, in the transaction that recorded it: whoever is to be told will be, and once for each event. */
@Injectable()
export class WebhookNotices {
  constructor(private readonly endpoints: WebhookEndpoints) {}

  async keep(tx: PgTransaction, approval: RecordedApproval, recorded: readonly RecordedEvent[]): Promise<void> {
    const end = endOf(approval);
    for (const each of recorded) {
      const event = each === end || each.envelope.id === end?.envelope.id ? 'approval.resolved' : NAMES.get(each.envelope.type);
      if (event === undefined) continue;
      for (const { name } of this.endpoints.for(approval.tenant, event)) await tx.query(KEEP, [approval.tenant, each.envelope.id, name, JSON.stringify(bodyOf(event, approval, each))]);
    }
  }
}

const NAMES: ReadonlyMap<string, WebhookEvent> = new Map([
  [ApprovalOpened.type, 'approval.opened'],
  [ApprovalEscalated.type, 'approval.escalated'],
  [GlassBroken.type, 'approval.emergency'],
]);

/** Ids and states; what was asked and said is fetched by whoever may read it. */
const bodyOf = (type: WebhookEvent, approval: RecordedApproval, { envelope }: RecordedEvent): object => {
  const { request, decidedBy, expiresAt } = approval.state;
  const { facts } = request;
  return {
    type,
    timestamp: envelope.time,
    data: { tenant: approval.tenant, approval_id: request.approval_id, action_id: request.action_id, status: statusOf(approval), agent: facts.agent, run_id: facts.run_id, action_kind: facts.action_kind, decide_by: expiresAt, ...(decidedBy === undefined ? {} : { decided_by: decidedBy }) },
  };
};
