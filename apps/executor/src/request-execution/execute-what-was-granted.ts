import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ActionAllowed, ActionCapped, ApprovalGranted } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, OnEvents } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { Signer } from '@exequatur/service-kit';
import { EXECUTOR } from '../itself.js';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import { ExecutionWorker } from '../run-execution/execution-worker.js';
import { managedGrantOf } from './managed-grant.js';
import type { GrantingEvent, ManagedGrant } from './managed-grant.js';
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

  @OnEvents(ActionAllowed, ActionCapped)
  whenAllowed(@Payload() deliveries: readonly Delivery<GrantingEvent>[]): Promise<void> {
    return this.requestAll(deliveries, 'policy');
  }

  @OnEvents(ApprovalGranted)
  whenApproved(@Payload() deliveries: readonly Delivery<GrantingEvent>[]): Promise<void> {
    return this.requestAll(deliveries, 'approvals');
  }

  /** Most grants are for agents and cost nothing here; of managed ones each is an execution, and a transaction, of its own. */
  private async requestAll(deliveries: readonly Delivery<GrantingEvent>[], signedBy: 'policy' | 'approvals'): Promise<void> {
    const grants = await Promise.all(deliveries.map(async (delivery) => ({ delivery, grant: await managedGrantOf(delivery, signedBy, this.signer) })));
    const requested = await Promise.allSettled(grants.map(({ delivery, grant }) => grant && this.request(delivery, grant)));
    // All have ended before the events of a run that failed come again one by one; those requested are duplicates then.
    const failed = requested.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  private async request(delivery: Delivery<GrantingEvent>, grant: ManagedGrant): Promise<void> {
    const { claims } = grant;
    const locks = { streams: [executionStream(claims.tenant, executionIdOf(claims, FIRST_USE))] };
    await this.inbox.once(delivery, locks, async (tx) => {
      await keepGrant(tx, grant);
      await recordRequest(tx, this.records, claims, FIRST_USE, { actor: EXECUTOR, causationId: delivery.event.id });
    });
    this.worker.wake();
  }
}
