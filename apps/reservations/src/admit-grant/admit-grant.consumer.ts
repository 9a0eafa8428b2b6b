import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ActionAllowed, ActionCapped, ApprovalGranted } from '@exequatur/contracts';
import type { DataOf, Grant } from '@exequatur/contracts';
import { DeterministicFailure, Inbox, OnEvent } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import type { PgTransaction } from '@exequatur/event-store';
import { Signer } from '@exequatur/service-kit';
import { admitGrants } from '../authority/grant-rows.js';
import { verifyGrant } from '../authority/present-grant.js';

type Granting = DataOf<typeof ActionAllowed> | DataOf<typeof ApprovalGranted>;

/** A grant becomes known by its event, unless its holder presented it first. */
@Controller()
export class AdmitGrantWhenGiven {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly signer: Signer,
  ) {}

  @OnEvent(ActionAllowed)
  allowed(@Payload() delivery: Delivery<DataOf<typeof ActionAllowed>>): Promise<void> {
    return this.admit(delivery, 'allowance');
  }

  @OnEvent(ActionCapped)
  capped(@Payload() delivery: Delivery<DataOf<typeof ActionCapped>>): Promise<void> {
    return this.admit(delivery, 'allowance');
  }

  @OnEvent(ApprovalGranted)
  granted(@Payload() delivery: Delivery<DataOf<typeof ApprovalGranted>>): Promise<void> {
    return this.admit(delivery, 'approval');
  }

  private async admit(delivery: Delivery<Granting>, source: Grant['source']): Promise<void> {
    const { tenant, data } = delivery.event;
    const grant = await verifyGrant(this.signer, data.grant);
    // The event's own signature is verified before; the token inside has to be its owner's too, and about the same thing.
    if (grant?.source !== source || grant.tenant !== tenant || grant.grant_id !== data.grant_id || grant.action_id !== data.action_id) throw new DeterministicFailure('GRANT_UNKNOWN', 'the grant in the event is not the one its owner signed for it');
    await this.inbox.once(delivery, { fences: [{ tenant, mode: 'shared' }], streams: [] }, (tx) => admitGrants(tx, [grant]));
  }
}
