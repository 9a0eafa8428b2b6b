import type { ServiceName } from '@exequatur/contracts';
import type pg from 'pg';
import { relayKey } from '../lock-keys.js';
import type { PgEventStore } from '../pg-event-store.js';
import { tolerateConnectionLoss } from '../pg-transaction.js';
import { assertLogBelongsHere } from '../restored-log.js';
import { AlarmClock } from './alarm-clock.js';
import { announceHeads } from './announce-heads.js';
import { countBehind, readCursor, takeEpoch } from './relay-cursor.js';
import type { BatchBounds } from './relay-cursor.js';
import { relayChannel } from './relay-wake.js';
import { PublishFailed, Shift } from './shift.js';
import type { EventPublisher, Published } from './shift.js';

export interface RelayLogger {
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

export interface RelayOptions {
  /** Of at least two connections; the relay keeps one for itself. */
  readonly pool: pg.Pool;
  /** Of the same database; StreamHeadsPublished is appended through it. */
  readonly store: PgEventStore;
  readonly publisher: EventPublisher;
  /** Reads at least this often, woken or not. */
  readonly pollMs?: number;
  /** Events published at once, at most. */
  readonly batchSize?: number;
  /** From the first event that is not yet counted in a StreamHeadsPublished to the next one. */
  readonly headsMs?: number;
  /** Called with each failure; the relay goes on by itself. */
  readonly onError?: (error: unknown) => void;
  readonly logger?: RelayLogger;
}

export interface RelayHealth {
  /** This instance publishes; another one waits to take over. */
  readonly leading: boolean;
  /** Events committed but not published, 10,000 at most; of the last look. */
  readonly lagEvents: number;
  /** Since the relay last read (and, if there was something, published) with success. */
  readonly sinceSuccessMs: number;
  /** The last attempt failed and is being repeated. */
  readonly failing: boolean;
}

export interface Relay {
  /** Ends after the batch in flight, or after 2 s without waiting for it (it is then published again by the next relay). */
  stop(): Promise<void>;
  health(): RelayHealth;
}

const POLL_MS = 500;
const BATCH_SIZE = 500;
/** With headers below 1,048,588 bytes, Kafka's default limit for what one request puts on one partition. */
const MAX_BATCH_BYTES = 900_000;
const HEADS_MS = 1_000;
/** Under load, from one read to the next: each costs the database the same, however many events it finds. */
const SPACING_MS = 8;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;
/** First wait for a transaction that holds the horizon back; doubles up to pollMs, since its end wakes nobody. */
const FIRST_BLOCKED_MS = 5;
const STOP_MS = 2_000;

const doubled = (firstMs: number, times: number, longestMs: number): number => Math.min(longestMs, firstMs * 2 ** Math.min(times, 16));

/**
 * The only producer of a service's topics. Publishes every committed event once or more, each stream in order, whatever
 * fails: it retries for ever. Any number of instances may run; the one with the session lock publishes.
 */
export const startRelay = (options: RelayOptions): Relay => {
  const relay = new RunningRelay(options);
  return { stop: () => relay.stop(), health: () => relay.health() };
};

class RunningRelay {
  private readonly pool: pg.Pool;
  private readonly store: PgEventStore;
  private readonly service: ServiceName;
  private readonly publisher: EventPublisher;
  private readonly bounds: BatchBounds;
  private readonly pollMs: number;
  private readonly headsMs: number;
  private readonly onError: (error: unknown) => void;
  private readonly logger: RelayLogger | undefined;
  private readonly alarm = new AlarmClock();
  private readonly finished: Promise<void>;
  private client: pg.PoolClient | undefined;
  private stopping = false;
  private leading = false;
  private failures = 0;
  private lagEvents = 0;
  private succeededAt = performance.now();

  constructor(options: RelayOptions) {
    tolerateConnectionLoss(options.pool);
    this.pool = options.pool;
    this.store = options.store;
    this.service = options.store.service;
    this.publisher = options.publisher;
    this.pollMs = options.pollMs ?? POLL_MS;
    this.headsMs = options.headsMs ?? HEADS_MS;
    this.bounds = { maxEvents: options.batchSize ?? BATCH_SIZE, maxBytes: MAX_BATCH_BYTES };
    this.onError = options.onError ?? (() => undefined);
    this.logger = options.logger;
    this.finished = this.run();
  }

  health(): RelayHealth {
    return { leading: this.leading, lagEvents: this.lagEvents, sinceSuccessMs: Math.round(performance.now() - this.succeededAt), failing: this.failures > 0 };
  }

  async stop(): Promise<void> {
    this.stopping = true;
    this.alarm.silence();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => (timer = setTimeout(resolve, STOP_MS)));
    await Promise.race([this.finished, patience]);
    clearTimeout(timer);
    this.disconnect();
  }

  private async run(): Promise<void> {
    while (!this.stopping) {
      try {
        await this.session();
      } catch (error) {
        await this.afterFailure(error);
      }
    }
  }

  private async afterFailure(error: unknown): Promise<void> {
    if (this.stopping) return;
    this.failures += 1;
    this.onError(error);
    await this.pause(doubled(FIRST_RETRY_MS, this.failures - 1, LONGEST_RETRY_MS));
  }

  /** Sleeps the whole time, whatever wakes it, unless the relay stops. */
  private async pause(ms: number): Promise<void> {
    const until = performance.now() + ms;
    while (!this.stopping && performance.now() < until) await this.alarm.sleep(until - performance.now());
  }

  private succeeded(): void {
    this.failures = 0;
    this.succeededAt = performance.now();
  }

  /** One connection, from its opening to its loss. Closing it gives the session lock back, however it ends. */
  private async session(): Promise<void> {
    const client = await this.pool.connect();
    this.client = client;
    client.on('notification', () => this.alarm.wake());
    try {
      // The cursor need not be durable at once: one that is lost in a crash leads to duplicates, which consumers know.
      await client.query(`SET synchronous_commit = off; LISTEN ${relayChannel(this.service)}`);
      await this.waitForLock(client);
      if (!this.stopping) await this.lead(client);
    } finally {
      this.leading = false;
      this.disconnect();
    }
  }

  private disconnect(): void {
    this.client?.release(true);
    this.client = undefined;
  }

  /** Asks again and again, since a statement that waits for the lock would hold back vacuum for as long. */
  private async waitForLock(client: pg.PoolClient): Promise<void> {
    while (!this.stopping) {
      const { rows } = await client.query<{ had: boolean }>('SELECT pg_try_advisory_lock($1::bigint) AS had', [relayKey(this.service).toString()]);
      if (rows[0]?.had === true) return;
      this.lagEvents = await countBehind(client, await readCursor(client));
      this.succeeded();
      await this.pause(this.pollMs);
    }
  }

  private async lead(client: pg.PoolClient): Promise<void> {
    await assertLogBelongsHere(client);
    const shift = new Shift(client, this.service, this.publisher, this.bounds, await takeEpoch(client));
    const leave = this.store.tellAtOnce((events) => {
      shift.learn(events);
      this.alarm.wake();
    });
    try {
      await this.publishAll(client, shift);
    } finally {
      leave();
    }
  }

  private async publishAll(client: pg.PoolClient, shift: Shift): Promise<void> {
    this.leading = true;
    this.logger?.info('relay leads', { service: this.service, epoch: shift.epoch });
    let headsDueAt: number | undefined = performance.now();
    let blocked = 0;
    let readAt = 0;
    while (!this.stopping) {
      await this.pause(readAt + SPACING_MS - performance.now());
      readAt = performance.now();
      const published = await this.step(shift);
      if (published === undefined) continue;
      const now = performance.now();
      if (published.counted) headsDueAt ??= now + this.headsMs;
      if (headsDueAt !== undefined && now >= headsDueAt) {
        await announceHeads(client, this.store);
        headsDueAt = undefined;
        continue;
      }
      if (published.events >= this.bounds.maxEvents || this.alarm.rang) {
        blocked = 0;
        continue;
      }
      this.lagEvents = await countBehind(client, shift.cursor);
      blocked = this.lagEvents > 0 ? blocked + 1 : 0;
      const idleMs = blocked > 0 ? doubled(FIRST_BLOCKED_MS, blocked - 1, this.pollMs) : this.pollMs;
      await this.alarm.sleep(Math.min(idleMs, (headsDueAt ?? Infinity) - performance.now()));
    }
  }

  /** Publishes the next batch. A broker's failure is waited out here, with the lock kept and the cursor where it was. */
  private async step(shift: Shift): Promise<Published | undefined> {
    try {
      const published = await shift.publishNext();
      this.succeeded();
      return published;
    } catch (error) {
      if (!(error instanceof PublishFailed)) throw error;
      this.lagEvents = await countBehind(shift.client, shift.cursor);
      this.logger?.warn('relay could not publish', { service: this.service, topic: error.topic, lagEvents: this.lagEvents });
      await this.afterFailure(error.cause);
      return undefined;
    }
  }
}
