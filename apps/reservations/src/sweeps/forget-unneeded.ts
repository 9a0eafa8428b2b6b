import { Injectable } from '@nestjs/common';
import { ForgetCircuits } from './forget-circuits.js';
import { ForgetRuns } from './forget-runs.js';
import { SweepCounters } from './sweep-counters.js';

const EVERY_MS = 10 * 60_000;

/** What the authority remembers and no claim needs any more, in batches: so that its tables stay as large as what goes on. */
@Injectable()
export class ForgetUnneeded {
  private dueMs = 0;

  constructor(
    private readonly counters: SweepCounters,
    private readonly runs: ForgetRuns,
    private readonly circuits: ForgetCircuits,
  ) {}

  async sweep(): Promise<void> {
    if (performance.now() < this.dueMs) return;
    this.dueMs = performance.now() + EVERY_MS;
    await this.counters.sweep();
    await this.runs.sweep();
    await this.circuits.sweep();
  }
}
