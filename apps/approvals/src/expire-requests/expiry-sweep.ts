import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER, RepeatedWork } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { APPROVAL_LIMITS } from '../limits.js';
import { ExpireRequests } from './expire-requests.js';

/** Sweeps once a second, at once again while a batch was full. A failing database is met again next time. */
@Injectable()
export class ExpirySweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly sweeps: RepeatedWork;

  constructor(
    private readonly requests: ExpireRequests,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    this.sweeps = new RepeatedWork(APPROVAL_LIMITS.expirySweepMs, () => this.sweep(), (fault) => fault === undefined || log.warn({ err: fault }, 'requests past their deadline could not be read; trying again'));
  }

  onApplicationBootstrap(): void {
    this.sweeps.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.sweeps.stop();
  }

  private async sweep(): Promise<void> {
    const { ended, failures } = await this.requests.sweep();
    if (failures.length > 0) this.log.warn({ err: failures[0], failed: failures.length }, 'some requests past their deadline could not be ended; trying again');
    if (ended >= APPROVAL_LIMITS.expiryBatch) this.sweeps.wake();
  }
}
