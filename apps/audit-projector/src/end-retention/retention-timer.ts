import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER, RepeatedWork } from '@exequatur/service-kit';
import type { Logger } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import { EndRetention } from './end-retention.js';

/** Looks for what is no longer kept; several instances may, each action is ended once under its locks. */
@Injectable()
export class RetentionTimer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly looks: RepeatedWork;

  constructor(retention: EndRetention, @Inject(LOGGER) log: Logger) {
    const look = async (): Promise<void> => void (await retention.run());
    this.looks = new RepeatedWork(AUDIT_LIMITS.retentionEveryMs, look, (fault) => fault === undefined || log.warn({ err: fault }, 'retention could not be ended and is tried again'));
  }

  onApplicationBootstrap(): void {
    this.looks.startRested();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.looks.stop();
  }
}
