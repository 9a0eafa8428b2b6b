import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Database, LOGGER, RepeatedWork } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { APPROVAL_LIMITS } from '../limits.js';
import { CHANNELS, type Channel, type DueNotice, type Sent } from './channel.js';

/** Takes what is due for the time of one attempt, so that no other instance sends it meanwhile; one that dies leaves it due again. */
const TAKE = `UPDATE notice n SET attempts = n.attempts + 1, next_at = clock_timestamp() + make_interval(secs => $3)
FROM (SELECT tenant, event_id, address FROM notice WHERE channel = $1 AND next_at <= clock_timestamp() ORDER BY next_at LIMIT $2 FOR UPDATE SKIP LOCKED) AS due
WHERE n.channel = $1 AND n.tenant = due.tenant AND n.event_id = due.event_id AND n.address = due.address RETURNING n.tenant, n.event_id, n.address, n.happening, n.approval_id, n.body, n.attempts`;
const DONE = 'UPDATE notice SET next_at = NULL, delivered_at = clock_timestamp(), last_fault = NULL WHERE tenant = $1 AND event_id = $2 AND channel = $3 AND address = $4';
const AGAIN = 'UPDATE notice SET next_at = CASE WHEN $5::int IS NULL THEN NULL ELSE clock_timestamp() + make_interval(secs => $5) END, last_fault = $6 WHERE tenant = $1 AND event_id = $2 AND channel = $3 AND address = $4';

/** Seconds before each further attempt: over a day in all, then it is given up and stays in the table with its fault. */
const PAUSES = [5, 30, 120, 600, 1_800, 3_600, 7_200, 14_400, 28_800, 36_000] as const;
/** What another side may ask for at most. */
const LONGEST_WISH_SECONDS = 3_600;

/** Consumes the outbox, each channel for itself, so that one that hangs holds up no other. At least once each, with the same id. */
@Injectable()
export class DeliverNotices implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private loops: readonly ChannelLoop[] = [];

  constructor(
    private readonly database: Database,
    @Inject(CHANNELS) private readonly channels: readonly Channel[],
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.loops = this.channels.map((channel) => new ChannelLoop(this.database, channel, this.log));
    for (const loop of this.loops) loop.deliveries.startRested();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.loops.map((loop) => loop.deliveries.stop()));
  }
}

class ChannelLoop {
  readonly deliveries: RepeatedWork;

  constructor(
    private readonly database: Database,
    private readonly channel: Channel,
    private readonly log: Logger,
  ) {
    this.deliveries = new RepeatedWork(APPROVAL_LIMITS.noticeSweepMs, () => this.deliverDue(), (fault) => fault === undefined || log.warn({ err: fault, channel: channel.channel }, 'notices that are due could not be read; trying again'));
  }

  private async deliverDue(): Promise<void> {
    const { rows } = await this.database.query<DueNotice & Record<string, unknown>>(TAKE, [this.channel.channel, APPROVAL_LIMITS.noticeBatch, Math.ceil((2 * APPROVAL_LIMITS.noticeMs) / 1_000)]);
    await Promise.all(rows.map((due) => this.deliver(due)));
  }

  private async deliver(due: DueNotice): Promise<void> {
    const { tenant, event_id, address, attempts } = due;
    const key = [tenant, event_id, this.channel.channel, address];
    const sent = await this.channel.send(due).catch((error: unknown): Sent => ({ ok: false, why: error instanceof Error ? error.name : 'it failed' }));
    if (sent.ok) {
      await this.database.query(DONE, key);
      return;
    }
    const pause = sent.final === true ? null : pauseBefore(attempts, sent.afterSeconds);
    this.log.warn({ channel: this.channel.channel, address, attempts, fault: sent.why }, pause === null ? 'a notice is given up' : 'a notice was not taken; it is sent again');
    await this.database.query(AGAIN, [...key, pause, sent.why]);
  }
}

const pauseBefore = (attempts: number, wish: number | undefined): number | null => {
  const pause = PAUSES[attempts - 1];
  return pause === undefined ? null : Math.min(LONGEST_WISH_SECONDS, wish ?? pause);
};
