import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { ActionAllowed, ActionCapped, ApprovalGranted } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { Signer } from '@exequatur/service-kit';
import { EXECUTOR } from '../acting.js';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import { ExecutionWorker } from '../run-execution/execution-worker.js';
import { managedGrantOf } from './managed-grant.js';
import type { GrantingEvent } from './managed-grant.js';
import { executionIdOf, keepGrant, recordRequest } from './record-request.js';

const FIRST_USE = 1;

/** A managed grant is executed as soon as it is known; its further uses are asked for one by one. */
@Controller()
export class ExecuteWhatWasGranted {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly signer: Signer,
    private readonly records: ExecutionRecords,
    private readonly worker: ExecutionWorker,
  ) {}

  @EventPattern([ActionAllowed.type, ActionCapped.type])
  whenAllowed(@Payload() delivery: Delivery<GrantingEvent>): Promise<void> {
    return this.request(delivery, 'policy');
  }

  @EventPattern([ApprovalGranted.type])
  whenApproved(@Payload() delivery: Delivery<GrantingEvent>): Promise<void> {
    return this.request(delivery, 'approvals');
  }

  private async request(delivery: Delivery<GrantingEvent>, signedBy: 'policy' | 'approvals'): Promise<void> {
    const grant = await managedGrantOf(delivery, signedBy, this.signer);
    if (grant === undefined) return;
    const { claims } = grant;
    const locks = { streams: [executionStream(claims.tenant, executionIdOf(claims, FIRST_USE))] };
    await this.inbox.once(delivery, locks, async (tx) => {
      await keepGrant(tx, grant);
      await recordRequest(tx, this.records, claims, FIRST_USE, EXECUTOR, delivery.event.id);
    });
    this.worker.wake();
  }
}
