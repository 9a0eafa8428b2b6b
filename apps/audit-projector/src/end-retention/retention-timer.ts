import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER } from '@exequatur/service-kit';
import type { Logger } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import { EndRetention } from './end-retention.js';

/** Looks for what is no longer kept; several instances may, each action is ended once under its locks. */
@Injectable()
export class RetentionTimer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<unknown> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly retention: EndRetention,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.arm();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.running;
  }

  private arm(): void {
    if (this.stopped) return;
    this.timer = setTimeout(() => {
      this.running = this.retention
        .run()
        .catch((error: unknown) => this.log.warn({ err: error }, 'retention could not be ended and is tried again'))
        .finally(() => this.arm());
    }, AUDIT_LIMITS.retentionEveryMs);
    this.timer.unref();
  }
}
