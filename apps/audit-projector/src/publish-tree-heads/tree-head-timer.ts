import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER, RepeatedWork } from '@exequatur/service-kit';
import type { Logger } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import { PublishTreeHeads } from './publish-tree-heads.js';

/** Looks for due tree heads; several instances may, each head is made once under the log's lock. */
@Injectable()
export class TreeHeadTimer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly looks: RepeatedWork;

  constructor(heads: PublishTreeHeads, @Inject(LOGGER) log: Logger) {
    // Leaves wait without a head; the next look makes one over all of them.
    this.looks = new RepeatedWork(AUDIT_LIMITS.treeHeadLookMs, () => heads.publishDue(), (fault) => fault === undefined || log.warn({ err: fault }, 'a tree head could not be published and is tried again'));
  }

  onApplicationBootstrap(): void {
    this.looks.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.looks.stop();
  }
}
