import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ActionAllowed, ActionCapped, ApprovalGranted } from '@exequatur/contracts';
import type { DataOf, Grant } from '@exequatur/contracts';
import { DeterministicFailure, Inbox, OnEvents } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import type { PgTransaction } from '@exequatur/event-store';
import { Signer } from '@exequatur/service-kit';
import { admitGrants } from '../authority/grant-rows.js';
import { verifyGrant } from '../authority/present-grant.js';
import { forgetAsked, sendSeen } from '../circuits/seen-outcomes.js';

type Granting = DataOf<typeof ActionAllowed> | DataOf<typeof ApprovalGranted>;

/** A grant becomes known by its event, unless its holder presented it first. */
@Controller()
export class AdmitGrantWhenGiven {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly signer: Signer,
  ) {}

  @OnEvents(ActionAllowed, ActionCapped)
  allowed(@Payload() deliveries: readonly Delivery<DataOf<typeof ActionAllowed>>[]): Promise<void> {
    return this.admit(deliveries, 'allowance');
  }

  @OnEvents(ApprovalGranted)
  granted(@Payload() deliveries: readonly Delivery<DataOf<typeof ApprovalGranted>>[]): Promise<void> {
    return this.admit(deliveries, 'approval');
  }

  private async admit(deliveries: readonly Delivery<Granting>[], source: Grant['source']): Promise<void> {
    const grants = new Map<Delivery<Granting>, Grant>();
    for (const delivery of deliveries) grants.set(delivery, await this.grantIn(delivery, source));
    const fences = [...new Set([...grants.values()].map(({ tenant }) => tenant))].map((tenant) => ({ tenant, mode: 'shared' as const }));
    await this.inbox.onceMany(deliveries, { fences, streams: [] }, async (tx, fresh) => {
      const admitted = fresh.flatMap((delivery) => grants.get(delivery) ?? []);
      await admitGrants(tx, admitted);
      sendSeen(tx, admitted.map(({ tenant, agent_identity: agent, action_kind: actionKind }) => ({ tenant, agent, actionKind, outcome: 'accepted' as const })));
      if (source === 'approval') forgetAsked(tx, admitted.map(({ grant_id }) => grant_id));
    });
  }

  private async grantIn({ event: { tenant, data } }: Delivery<Granting>, source: Grant['source']): Promise<Grant> {
    const grant = await verifyGrant(this.signer, data.grant);
    // The event's own signature is verified before; the token inside has to be its owner's too, and about the same thing.
    if (grant?.source !== source || grant.tenant !== tenant || grant.grant_id !== data.grant_id || grant.action_id !== data.action_id) throw new DeterministicFailure('GRANT_UNKNOWN', 'the grant in the event is not the one its owner signed for it');
    return grant;
  }
}
