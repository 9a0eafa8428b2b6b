import { Injectable } from '@nestjs/common';
import { Database } from '@exequatur/service-kit';

const EVERY_MS = 10 * 60_000;
const MAX_SWEPT = 5_000;

/** Counters in which nothing has counted for an hour. One that is in use is locked, and passed over. */
const IDLE = `
DELETE FROM velocity_counter WHERE ctid IN (
  SELECT ctid FROM velocity_counter WHERE idle_from_ms <= extract(epoch FROM clock_timestamp()) * 1000 - 3600000 LIMIT $1 FOR UPDATE SKIP LOCKED
)`;

/** Takes away velocity counters that no claim needs: subjects come and go, agents and targets most of all. */
@Injectable()
export class SweepCounters {
  private dueMs = 0;

  constructor(private readonly database: Database) {}

  async sweep(): Promise<void> {
    if (performance.now() < this.dueMs) return;
    this.dueMs = performance.now() + EVERY_MS;
    await this.database.query(IDLE, [MAX_SWEPT]);
  }
}
