import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { APPROVAL_LIMITS } from '../limits.js';
import { ExpireRequests } from './expire-requests.js';

/** Sweeps once a second, at once again while a batch was full. A failing database is met again next time. */
@Injectable()
export class ExpirySweep implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly requests: ExpireRequests,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.next(APPROVAL_LIMITS.expirySweepMs);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private next(afterMs: number): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.running = this.sweep();
    }, afterMs);
  }

  private async sweep(): Promise<void> {
    let ended = 0;
    try {
      const swept = await this.requests.sweep();
      ended = swept.ended;
      if (swept.failures.length > 0) this.log.warn({ err: swept.failures[0], failed: swept.failures.length }, 'some requests past their deadline could not be ended; trying again');
    } catch (error) {
      this.log.warn({ err: error }, 'requests past their deadline could not be read; trying again');
    }
    this.next(ended >= APPROVAL_LIMITS.expiryBatch ? 0 : APPROVAL_LIMITS.expirySweepMs);
  }
}
