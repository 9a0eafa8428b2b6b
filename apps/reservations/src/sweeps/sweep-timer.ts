import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { JudgeCircuits } from '../circuits/judge-circuits.js';
import { QuiesceFreezes } from './quiesce-freezes.js';
import { SweepClaims } from './sweep-claims.js';
import { SweepCounters } from './sweep-counters.js';

const EVERY_MS = 500;

/** Runs the sweeps one after the other; several instances may, since each decision is made again under its locks. */
@Injectable()
export class SweepTimer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly claims: SweepClaims,
    private readonly freezes: QuiesceFreezes,
    private readonly counters: SweepCounters,
    private readonly circuits: JudgeCircuits,
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
    }, EVERY_MS);
    this.timer.unref();
  }

  private async run(): Promise<void> {
    try {
      await this.claims.sweep();
      await this.freezes.sweep();
      await this.counters.sweep();
      await this.circuits.sweep();
    } catch (error) {
      // Nothing is lost: what was due stays due, and holds err on the side of standing too long.
      this.log.warn({ err: error }, 'a sweep failed and is tried again');
    }
  }
}
