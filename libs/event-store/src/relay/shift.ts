import type { ServiceName } from '@exequatur/contracts';
import type { Frontier } from '@exequatur/audit-chain';
import type pg from 'pg';
import type { RecordedEvent } from '../port.js';
import { planBatch } from './plan-batch.js';
import type { RelayedMessage } from './plan-batch.js';
import { moveCursor, readBatch, readHeads } from './relay-cursor.js';
import type { BatchBounds, Leadership, OutgoingEvent } from './relay-cursor.js';

/** The part of the messaging port that the relay needs; its Publisher fits. */
export interface EventPublisher {
  /** Resolves when the batch is durable; a rejected one is published again. */
  publish(topic: string, messages: readonly RelayedMessage[]): Promise<void>;
}

export interface Published {
  readonly events: number;
  /** Some of them count for StreamHeadsPublished. */
  readonly counted: boolean;
}

/** Frontiers kept in memory, 3 kB each at most; the table has them all. */
const REMEMBERED_TENANTS = 10_000;
/** Some 4 kB each; beyond them the relay is behind, and reads. */
const REMEMBERED_EVENTS = 2_000;

/** The transport did not take a batch; `cause` says why. */
export class PublishFailed extends Error {
  constructor(
    readonly topic: string,
    cause: unknown,
  ) {
    super(`publishing to ${topic} failed`, { cause });
    this.name = 'PublishFailed';
  }
}

/** One instance's time as the leader: cursor and heads are its own to move, so it keeps them in memory. */
export class Shift {
  readonly epoch: string;
  cursor: Leadership['cursor'];
  private readonly frontiers = new Map<string, Frontier>();
  /** committed by this process and not published yet, by event id */
  private readonly known = new Map<string, OutgoingEvent>();

  constructor(
    readonly client: pg.PoolClient,
    private readonly service: ServiceName,
    private readonly publisher: EventPublisher,
    private readonly bounds: BatchBounds,
    leadership: Leadership,
  ) {
    this.epoch = leadership.epoch;
    this.cursor = leadership.cursor;
  }

  /** What this process committed just now: it need not be read back. */
  learn(events: readonly RecordedEvent[]): void {
    if (this.known.size + events.length > REMEMBERED_EVENTS) return;
    for (const { envelope, bytes, path, signature, keyId } of events) {
      const { tenant, partitionkey: key, type, traceparent } = envelope;
      this.known.set(envelope.id, { tenant, key, type, traceparent, bytes, path, signature, keyId });
    }
  }

  /** One awaited batch, then the cursor: a crash between the two publishes it again. */
  async publishNext(): Promise<Published> {
    const rows = await readBatch(this.client, this.cursor, this.bounds, this.known);
    const last = rows.at(-1);
    if (!last) return { events: 0, counted: false };
    await this.learnHeads(rows.map(({ event }) => event.tenant));
    const { messages, heads } = planBatch(rows.map(({ event }) => event), this.service, this.frontiers);
    for (const [topic, ofTopic] of messages) {
      await this.publisher.publish(topic, ofTopic).catch((cause: unknown) => {
        throw new PublishFailed(topic, cause);
      });
    }
    const to = { xid: last.xid, position: last.position };
    await moveCursor(this.client, this.epoch, to, heads);
    this.cursor = to;
    for (const { eventId } of rows) this.known.delete(eventId);
    for (const { tenant, frontier } of heads) this.frontiers.set(tenant, frontier);
    return { events: rows.length, counted: heads.length > 0 };
  }

  private async learnHeads(tenants: readonly string[]): Promise<void> {
    if (this.frontiers.size > REMEMBERED_TENANTS) this.frontiers.clear();
    const unknown = [...new Set(tenants)].filter((tenant) => !this.frontiers.has(tenant));
    if (unknown.length === 0) return;
    for (const { tenant, frontier } of await readHeads(this.client, unknown)) this.frontiers.set(tenant, frontier);
  }
}
