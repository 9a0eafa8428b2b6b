import type { ServiceName } from '@exequatur/contracts';
import type { Frontier } from '@exequatur/audit-chain';
import type pg from 'pg';
import { planBatch } from './plan-batch.js';
import type { RelayedMessage } from './plan-batch.js';
import { moveCursor, readBatch, readHeads } from './relay-cursor.js';
import type { BatchBounds, Leadership } from './relay-cursor.js';

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

  /** One awaited batch, then the cursor: a crash between the two publishes it again. */
  async publishNext(): Promise<Published> {
    const rows = await readBatch(this.client, this.cursor, this.bounds);
    const last = rows.at(-1);
    if (!last) return { events: 0, counted: false };
    await this.learnHeads(rows.map(({ tenant }) => tenant));
    const { messages, heads } = planBatch(rows, this.service, this.frontiers);
    for (const [topic, ofTopic] of messages) {
      await this.publisher.publish(topic, ofTopic).catch((cause: unknown) => {
        throw new PublishFailed(topic, cause);
      });
    }
    const to = { xid: last.xid, position: last.position };
    await moveCursor(this.client, this.epoch, to, heads);
    this.cursor = to;
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
