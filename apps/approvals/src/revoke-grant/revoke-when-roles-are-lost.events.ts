import { Controller, Inject, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import { EligibilityChanged } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, type Delivery } from '@exequatur/messaging';
import { LOGGER, projectDirectory, RepeatedWork, type Logger } from '@exequatur/service-kit';
import { APPROVAL_LIMITS } from '../limits.js';
import { RevokeLostGrants } from './revoke-lost-grants.js';

/** Looked at again this often: a vote that read the role before it changed may be recorded after the first look. */
const LOOKS = 3;
/** A first look goes back a day, for loans that ended while nothing ran; later ones overlap by this. */
const FIRST_LOOK_MS = 24 * 60 * 60 * 1_000;
const OVERLAP_MS = 30_000;

@Controller()
export class RevokeWhenRolesAreLost implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly changed = new Map<string, { readonly tenant: string; readonly person: string; looks: number }>();
  private lookedAt = Date.now() - FIRST_LOOK_MS;
  private readonly looks: RepeatedWork;

  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly grants: RevokeLostGrants,
    @Inject(LOGGER) log: Logger,
  ) {
    this.looks = new RepeatedWork(APPROVAL_LIMITS.expirySweepMs, () => this.look(), (fault) => fault === undefined || log.warn({ err: fault }, 'grants whose voters lost their role could not be taken back; trying again'));
  }

  @EventPattern([EligibilityChanged.type])
  async handle(@Payload() delivery: Delivery<DataOf<typeof EligibilityChanged>>): Promise<void> {
    const { tenant, data } = delivery.event;
    // The directory's own handler may come later; setting roles twice changes nothing.
    await this.inbox.once(delivery, { streams: [] }, (tx) => projectDirectory(tx, delivery.event), 'grants-of-lost-roles');
    await this.grants.ofPerson(tenant, data.person);
    this.changed.set(JSON.stringify([tenant, data.person]), { tenant, person: data.person, looks: LOOKS });
  }

  onApplicationBootstrap(): void {
    this.looks.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.looks.stop();
  }

  private async look(): Promise<void> {
    const from = this.lookedAt;
    const now = Date.now();
    await this.grants.ofLoansEnded(new Date(from - OVERLAP_MS));
    for (const [key, each] of this.changed) {
      await this.grants.ofPerson(each.tenant, each.person);
      each.looks -= 1;
      if (each.looks === 0) this.changed.delete(key);
    }
    this.lookedAt = now;
  }
}
