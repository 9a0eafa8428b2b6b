import { setTimeout as delay } from 'node:timers/promises';
import type pg from 'pg';
import { backOffMs } from '../back-off.js';
import { reasonOf } from '../logger.js';
import type { MessagingLogger } from '../logger.js';
import type { IncomingMessage, SubscribeOptions } from '../port.js';
import type { Acknowledgements } from './acknowledgements.js';
import type { TopicLease } from './topic-lease.js';

/** A partition's share of one fetch; a larger message comes alone. */
const MAX_BATCH_BYTES = 1_048_576;

/** From each asked partition up to $4 messages and $5 bytes, and every partition's end, in one round trip. */
const FETCH = `
SELECT b.partition, b.next_offset AS "end", m."offset", m.key, m.value, m.headers
FROM bus.partition b
LEFT JOIN unnest($2::int[], $3::bigint[]) AS asked (partition, next) ON asked.partition = b.partition
LEFT JOIN LATERAL (
  SELECT * FROM (
    SELECT *, row_number() OVER page AS place, sum(octet_length(value)) OVER page AS bytes FROM (
      SELECT "offset", key, value, headers FROM bus.message
      WHERE topic = $1 AND partition = asked.partition AND "offset" >= asked.next ORDER BY "offset" LIMIT $4
    ) next_messages WINDOW page AS (ORDER BY "offset")
  ) sized WHERE place = 1 OR bytes <= $5
) m ON true
WHERE b.topic = $1
ORDER BY b.partition, m."offset"`;

const POSITIONS = `
SELECT b.partition, coalesce(o.next_offset, 0) AS next FROM bus.partition b
LEFT JOIN bus.consumer_offset o ON o.consumer_group = $2 AND o.topic = b.topic AND o.partition = b.partition
WHERE b.topic = $1`;

interface FetchedRow {
  readonly partition: number;
  readonly end: string;
  readonly offset: string | null;
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

/** One partition as this member reads it. */
interface Lane {
  /** First offset not yet acknowledged. */
  next: bigint;
  /** Offset after the last message published, when last seen. */
  end: bigint;
  delivery: Promise<void> | undefined;
  failures: number;
  /** Monotonic time before which a failed lane is left alone. */
  pausedUntil: number;
}

export interface TopicReaderOptions {
  readonly topic: string;
  readonly lease: TopicLease;
  readonly acknowledgements: Acknowledgements;
  readonly onBatch: SubscribeOptions['onBatch'];
  readonly maxBatch: number;
  readonly pollMs: number;
  readonly fetchSpacingMs: number;
  readonly logger: MessagingLogger;
}

/**
 * Reads one topic for a group while its lease is held: partitions side by side, each strictly in order, one batch of a
 * partition at a time. A batch is acknowledged after its handler resolved; until then its messages are delivered again.
 */
export class TopicReader {
  private readonly lanes = new Map<number, Lane>();
  private running = false;
  private loop: Promise<void> | undefined;
  private wakeUp: (() => void) | undefined;
  private news = false;
  private positioned = false;
  private lastFetch = performance.now();

  constructor(
    private readonly pool: pg.Pool,
    private readonly options: TopicReaderOptions,
  ) {}

  start(): void {
    this.running = true;
    this.loop = this.run();
  }

  wake(): void {
    this.news = true;
    this.wakeUp?.();
  }

  /** The lease was taken (again): another member may have moved the positions meanwhile. */
  gained(): void {
    this.positioned = false;
    this.wake();
  }

  /** Lets deliveries in flight end. */
  async stop(): Promise<void> {
    this.running = false;
    this.wake();
    await this.loop;
    await Promise.all([...this.lanes.values()].map((lane) => lane.delivery));
  }

  health(): { sinceFetchMs: number; lag: number; failing: boolean } {
    const lanes = this.options.lease.holds(this.options.topic) ? [...this.lanes.values()] : [];
    const lag = lanes.reduce((sum, lane) => sum + Number(lane.end - lane.next), 0);
    return { sinceFetchMs: performance.now() - this.lastFetch, lag: Math.max(0, lag), failing: lanes.some((lane) => lane.failures > 0) };
  }

  private async run(): Promise<void> {
    let failures = 0;
    while (this.running) {
      this.news = false;
      try {
        if (this.options.lease.holds(this.options.topic)) await this.readOnce();
        failures = 0;
        await this.rest(this.untilDue());
        await this.space();
      } catch (error) {
        failures += 1;
        this.options.logger.warn('bus fetch failed', { topic: this.options.topic, reason: reasonOf(error), failures });
        this.news = false;
        await this.rest(backOffMs(failures));
      }
    }
  }

  /** A member without the lease is in order as long as the question for it is answered. */
  leaseAnswered(): void {
    if (!this.options.lease.holds(this.options.topic)) this.lastFetch = performance.now();
  }

  private async readOnce(): Promise<void> {
    const { topic, maxBatch } = this.options;
    if (!this.positioned) await this.position();
    const now = performance.now();
    const free = [...this.lanes].filter(([, lane]) => lane.delivery === undefined && lane.pausedUntil <= now);
    const { rows } = await this.pool.query<FetchedRow>(FETCH, [topic, free.map(([partition]) => partition), free.map(([, lane]) => lane.next.toString()), maxBatch, MAX_BATCH_BYTES]);
    this.lastFetch = performance.now();
    const asked = new Set(free.map(([partition]) => partition));
    for (const [partition, lane] of this.lanes) {
      const own = rows.filter((row) => row.partition === partition);
      if (own[0] !== undefined) lane.end = BigInt(own[0].end);
      const messages = own.flatMap(({ offset, key, value, headers }): IncomingMessage[] => (offset === null ? [] : [{ topic, partition, offset, key, value, headers }]));
      if (messages.length > 0) this.dispatch(partition, lane, messages);
      // Its delivery ended while this fetch was on its way.
      else if (!asked.has(partition) && lane.delivery === undefined && lane.next < lane.end) this.news = true;
    }
  }

  /** Waits for deliveries of an earlier lease first: a lane has one reader. */
  private async position(): Promise<void> {
    await Promise.all([...this.lanes.values()].map((lane) => lane.delivery));
    const { topic, lease } = this.options;
    this.positioned = true;
    const { rows } = await this.pool.query<{ partition: number; next: string }>(POSITIONS, [topic, lease.options.group]).catch((error: unknown) => {
      this.positioned = false;
      throw error;
    });
    for (const { partition, next } of rows) {
      this.lanes.set(partition, { next: BigInt(next), end: BigInt(next), delivery: undefined, failures: 0, pausedUntil: 0 });
    }
  }

  private dispatch(partition: number, lane: Lane, messages: readonly IncomingMessage[]): void {
    lane.delivery = this.deliver(partition, lane, messages).finally(() => {
      lane.delivery = undefined;
      // What comes later is announced; what came meanwhile, the last fetch has seen the end of.
      if (lane.next < lane.end) this.wake();
    });
  }

  private async deliver(partition: number, lane: Lane, messages: readonly IncomingMessage[]): Promise<void> {
    const { topic, acknowledgements, onBatch, logger } = this.options;
    const next = BigInt(messages.at(-1)?.offset ?? lane.next) + 1n;
    try {
      await onBatch(messages);
      await acknowledgements.keep(topic, partition, next);
      lane.next = next;
      lane.failures = 0;
    } catch (error) {
      lane.failures += 1;
      lane.pausedUntil = performance.now() + backOffMs(lane.failures);
      logger.warn('batch was not taken; it will be delivered again', { topic, partition, offset: messages[0]?.offset, failures: lane.failures, reason: reasonOf(error) });
    }
  }

  /** Until the next poll, or until a paused lane may go on. */
  private untilDue(): number {
    const now = performance.now();
    const waits = [...this.lanes.values()].filter((lane) => lane.pausedUntil > now).map((lane) => lane.pausedUntil - now);
    return Math.min(this.options.pollMs, ...waits);
  }

  /** Each delivery that ends and each notification asks for a fetch; under load one fetch serves many of them. */
  private async space(): Promise<void> {
    const early = this.lastFetch + this.options.fetchSpacingMs - performance.now();
    if (early > 0 && this.running) await delay(early);
  }

  private async rest(ms: number): Promise<void> {
    if (this.news || !this.running) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.wakeUp = undefined;
  }
}
