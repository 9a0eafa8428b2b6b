import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER } from '@exequatur/service-kit';
import type { Logger } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import { PublishTreeHeads } from './publish-tree-heads.js';

/** Looks for due tree heads; several instances may, each head is made once under the log's lock. */
@Injectable()
export class TreeHeadTimer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly heads: PublishTreeHeads,
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
      this.running = this.run().finally(() => this.arm());
    }, AUDIT_LIMITS.treeHeadLookMs);
    this.timer.unref();
  }

  private async run(): Promise<void> {
    try {
      await this.heads.publishDue();
    } catch (error) {
      // Leaves wait without a head; the next look makes one over all of them.
      this.log.warn({ err: error }, 'a tree head could not be published and is tried again');
    }
  }
}
