import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { Database, LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { APPROVAL_LIMITS } from '../limits.js';

/** Where an event stands in this service's own order of commits. */
export interface Position {
  readonly xid: string;
  readonly position: string;
}

/** Everything up to here is committed: an event of a transaction under way must not be skipped by one that began later. */
const LAST = `SELECT xid::text, position::text FROM event WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY event.xid DESC, event.position DESC LIMIT 1`;

/** Looks for new events twice a second while anybody listens, once for all of them, and wakes them. */
@Injectable()
export class ChangesHub implements BeforeApplicationShutdown {
  private readonly listeners = new Set<() => void>();
  private timer: NodeJS.Timeout | undefined;
  private last: Position | undefined;

  constructor(
    private readonly database: Database,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  beforeApplicationShutdown(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.listeners.clear();
  }

  /** Where the log ends now; the beginning when there is nothing. */
  async end(): Promise<Position> {
    return (await this.database.query<Position & Record<string, string>>(LAST)).rows[0] ?? { xid: '0', position: '0' };
  }

  /** @returns how to stop listening */
  listen(wake: () => void): () => void {
    this.listeners.add(wake);
    this.next();
    return () => void this.listeners.delete(wake);
  }

  private next(): void {
    if (this.timer !== undefined || this.listeners.size === 0) return;
    this.timer = setTimeout(() => void this.look(), APPROVAL_LIMITS.streamPollMs);
  }

  private async look(): Promise<void> {
    try {
      const now = await this.end();
      if (now.xid !== this.last?.xid || now.position !== this.last.position) for (const wake of this.listeners) wake();
      this.last = now;
    } catch (error) {
      this.log.warn({ err: error }, 'new events could not be looked for; trying again');
    }
    this.timer = undefined;
    this.next();
  }
}
