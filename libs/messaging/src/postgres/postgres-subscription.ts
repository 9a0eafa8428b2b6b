import { randomUUID } from 'node:crypto';
import type pg from 'pg';
import { reasonOf } from '../logger.js';
import type { MessagingLogger } from '../logger.js';
import type { SubscribeOptions, Subscription } from '../port.js';
import { Acknowledgements } from './acknowledgements.js';
import { BusListener } from './bus-listener.js';
import { TopicLease } from './topic-lease.js';
import { TopicReader } from './topic-reader.js';

export interface PostgresSubscriptionOptions extends SubscribeOptions {
  readonly pool: pg.Pool;
  readonly listen: pg.ClientConfig;
  /** For people who look into bus.lease; a random part is added. */
  readonly clientId: string;
  readonly pollMs: number;
  readonly leaseMs: number;
  readonly maxBatch: number;
  readonly logger: MessagingLogger;
}

/** See SubscribeOptions.fetchSpacingMs. */
const FETCH_SPACING_MS = 15;

/** A member of a group: one lease and one reader a topic, one listening connection for all. */
export class PostgresSubscription implements Subscription {
  private readonly lease: TopicLease;
  private readonly readers: ReadonlyMap<string, TopicReader>;
  private readonly listener: BusListener;
  private timer: NodeJS.Timeout | undefined;
  private renewing: Promise<void> | undefined;
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: PostgresSubscriptionOptions) {
    const { pool, group, topics, leaseMs, onBatch, maxBatch, pollMs, fetchSpacingMs = FETCH_SPACING_MS, logger } = options;
    this.lease = new TopicLease(pool, { group, topics, leaseMs, member: `${options.clientId}/${randomUUID()}` });
    const acknowledgements = new Acknowledgements(pool, this.lease);
    this.readers = new Map(topics.map((topic) => [topic, new TopicReader(pool, { topic, lease: this.lease, acknowledgements, onBatch, maxBatch, pollMs, fetchSpacingMs, logger })]));
    this.listener = new BusListener(options.listen, (topic) => this.wake(topic), logger);
  }

  async start(): Promise<void> {
    await this.renew();
    for (const reader of this.readers.values()) reader.start();
    await this.listener.start();
    this.timer = setInterval(() => (this.renewing ??= this.renew().finally(() => (this.renewing = undefined))), this.options.leaseMs / 3);
  }

  stop(): Promise<void> {
    return (this.stopping ??= this.end());
  }

  health(): ReturnType<Subscription['health']> {
    const all = [...this.readers.values()].map((reader) => reader.health());
    return {
      sinceFetchMs: Math.max(0, ...all.map((each) => each.sinceFetchMs)),
      lag: all.reduce((sum, each) => sum + each.lag, 0),
      failing: all.some((each) => each.failing),
    };
  }

  private wake(topic: string | undefined): void {
    if (topic !== undefined) this.readers.get(topic)?.wake();
    else for (const reader of this.readers.values()) reader.wake();
  }

  /** Leases are renewed while deliveries end, so that no other member starts on what this one is still doing. */
  private async end(): Promise<void> {
    await Promise.all([...this.readers.values()].map((reader) => reader.stop()));
    clearInterval(this.timer);
    await this.renewing;
    await this.listener.stop();
    await this.lease.release().catch((error: unknown) => this.options.logger.warn('leases were left to expire', { reason: reasonOf(error) }));
  }

  private async renew(): Promise<void> {
    try {
      const gained = await this.lease.hold();
      for (const reader of this.readers.values()) reader.leaseAnswered();
      for (const topic of gained) this.readers.get(topic)?.gained();
    } catch (error) {
      this.options.logger.warn('bus leases could not be renewed', { group: this.options.group, reason: reasonOf(error) });
    }
  }
}
