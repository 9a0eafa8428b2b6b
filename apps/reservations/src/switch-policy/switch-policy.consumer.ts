import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { PolicyInForce, PolicyPublished, PolicyRolledBack, streamKey } from '@exequatur/contracts';
import type { DataOf, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, OnEvent } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { Signer } from '@exequatur/service-kit';
import { raiseFence } from '../authority/tenant-board.js';
import { bundleFault } from './check-bundle.js';
import type { Bundle } from './check-bundle.js';
import { RefusedBundles } from './refused-bundles.js';

const SWITCH = `
INSERT INTO policy_in_force AS p (tenant, policy_version, policy_hash, canonical, registered_kinds) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (tenant) DO UPDATE SET policy_version = excluded.policy_version, policy_hash = excluded.policy_hash, canonical = excluded.canonical, registered_kinds = excluded.registered_kinds
WHERE p.policy_version < excluded.policy_version`;

const policyStream = (tenant: string): StreamId => ({ tenant, aggregate: 'policy', id: 'in-force' });

/** A published policy comes into force here under the exclusive fence: when it commits, no batch can act on the older one. */
@Controller()
export class SwitchPolicyWhenPublished {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly store: PgEventStore,
    private readonly signer: Signer,
    private readonly refused: RefusedBundles,
  ) {}

  @OnEvent(PolicyPublished)
  published(@Payload() delivery: Delivery<DataOf<typeof PolicyPublished>>): Promise<void> {
    return this.switchTo(delivery);
  }

  @OnEvent(PolicyRolledBack)
  rolledBack(@Payload() delivery: Delivery<DataOf<typeof PolicyRolledBack>>): Promise<void> {
    return this.switchTo(delivery);
  }

  private async switchTo(delivery: Delivery<Bundle>): Promise<void> {
    const { id, tenant, data } = delivery.event;
    const { policy_hash, policy_version, canonical, registered_kinds } = data;
    const fault = await bundleFault(tenant, data, this.signer);
    // Taken and not believed, rather than a dead letter: that would park the good version which mends it.
    if (fault !== undefined) {
      const taken = await this.inbox.once(delivery, { streams: [] }, (tx) => this.refused.refuse(tx, tenant, data, fault));
      if (taken === 'done') this.refused.tell(tenant, data, fault);
      return;
    }
    const stream = policyStream(tenant);
    await this.inbox.once(delivery, { fences: [{ tenant, mode: 'exclusive' }], streams: [stream] }, async (tx) => {
      const { rowCount } = await tx.query(SWITCH, [tenant, policy_version, policy_hash, canonical, registered_kinds]);
      // A newer version is in force already: versions only rise.
      if (rowCount === 0) return;
      await this.refused.forget(tx, tenant, policy_version);
      const fence_epoch = await raiseFence(tx, tenant);
      const versions = await this.store.versions(tx, [stream]);
      await this.store.append(tx, [
        {
          stream,
          expectedVersion: versions.get(streamKey(stream)) ?? 0,
          events: [{ definition: PolicyInForce, data: { policy_hash, policy_version, fence_epoch }, actor: { type: 'service', id: 'reservations' }, causationId: id }],
        },
      ]);
    });
  }
}
