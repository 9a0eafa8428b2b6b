import { Controller, Inject } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { ReviewDrawn, ReviewOpened } from '@exequatur/contracts';
import type { DataOf, SealedProposal } from '@exequatur/contracts';
import { assertValidSealed, PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import { Inbox, type Delivery } from '@exequatur/messaging';
import { open, seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import { keepReviewRow, reviewStream } from './review-rows.js';

/** An allowed action that policy drew is looked at by people afterwards; nothing waits for them. */
@Controller()
export class OpenReviewWhenDrawn {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  @EventPattern([ReviewDrawn.type])
  async handle(@Payload() delivery: Delivery<DataOf<typeof ReviewDrawn>>): Promise<void> {
    const { tenant, data } = delivery.event;
    await this.inbox.once(delivery, { streams: [reviewStream(tenant, data.action_id)] }, (tx) => this.open(tx, delivery));
  }

  /** Nothing to look at when the action was erased meanwhile. */
  private async open(tx: PgTransaction, { event }: Delivery<DataOf<typeof ReviewDrawn>>): Promise<void> {
    const { action_id } = event.data;
    const key = await this.keys.actionKey(event.tenant, action_id, tx);
    if (key === undefined || event.sealed === undefined) return;
    const proposal = open(key, event.sealed, event.id) as SealedProposal;
    assertValidSealed(ReviewOpened, proposal);
    const { policy_hash: _hash, policy_version: _version, ...data } = event.data;
    const stream = reviewStream(event.tenant, action_id);
    const id = newId();
    const time = toInstant(await this.streams.databaseNow(tx));
    const opened = { definition: ReviewOpened, id, data, sealed: seal(key, action_id, id, proposal), actor: { type: 'service', id: 'approvals' } as const, correlationId: action_id, causationId: event.id, time };
    await keepReviewRow(tx, event.tenant, await this.store.append(tx, [{ stream, expectedVersion: 0, events: [opened] }]));
  }
}
