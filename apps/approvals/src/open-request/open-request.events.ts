import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import type { RequestFacts } from '@exequatur/approvals-domain';
import { ApprovalRequired } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, type Delivery } from '@exequatur/messaging';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { OpenRequest } from './open-request.js';

@Controller()
export class OpenRequestWhenApprovalIsRequired {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly request: OpenRequest,
  ) {}

  @EventPattern([ApprovalRequired.type])
  async handle(@Payload() delivery: Delivery<RequestFacts>): Promise<void> {
    const { tenant, data } = delivery.event;
    await this.inbox.once(delivery, { streams: [approvalStream(tenant, data.approval_id)] }, (tx) => this.request.open(tx, delivery));
  }
}
