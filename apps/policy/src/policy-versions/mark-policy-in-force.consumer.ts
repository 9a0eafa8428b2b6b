import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { PolicyInForce } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, OnEvent } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';

/** The runtime authority has switched: from now on nothing is claimed under an older version. */
@Controller()
export class MarkPolicyInForceWhenReservationsSwitched {
  constructor(private readonly inbox: Inbox<PgTransaction>) {}

  @OnEvent(PolicyInForce)
  async handle(@Payload() delivery: Delivery<DataOf<typeof PolicyInForce>>): Promise<void> {
    const { tenant, time, data } = delivery.event;
    await this.inbox.once(delivery, { streams: [] }, async (tx) => {
      await tx.query('UPDATE policy_version SET in_force_at = coalesce(in_force_at, $3) WHERE tenant = $1 AND version = $2', [tenant, data.policy_version, time]);
    });
  }
}
