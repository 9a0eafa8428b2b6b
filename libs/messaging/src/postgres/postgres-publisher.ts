import { pgArray } from '@exequatur/event-store';
import type pg from 'pg';
import type { OutgoingMessage, Publisher } from '../port.js';
import { partitionOf } from '../partition.js';

/** Consumers listen here; the payload is the topic's name. A missed one costs a poll interval. */
export const WAKE_CHANNEL = 'exequatur_bus';

/**
 * One statement, one transaction: the rows of the partitions are locked in order, moved on by the number of messages, and
 * the messages take the offsets in between. Whoever comes later waits, so offsets appear in order and without a gap.
 */
const APPEND = `
WITH incoming AS (
  SELECT * FROM unnest($2::int[], $3::int[], $4::text[], $5::bytea[], $6::text[]) AS t (partition, place, key, value, headers)
), held AS (
  SELECT partition FROM bus.partition WHERE topic = $1 AND partition = ANY ($2::int[]) ORDER BY partition FOR UPDATE
), moved AS (
  UPDATE bus.partition p SET next_offset = p.next_offset + c.messages
  FROM (SELECT partition, count(*) AS messages FROM incoming JOIN held USING (partition) GROUP BY partition) c
  WHERE p.topic = $1 AND p.partition = c.partition
  RETURNING p.partition, p.next_offset - c.messages AS first
)
INSERT INTO bus.message (topic, partition, "offset", key, value, headers)
SELECT $1, i.partition, m.first + i.place, i.key, i.value, i.headers::jsonb FROM incoming i JOIN moved m USING (partition)`;

/** Publishes to `bus.message`. Rejects, with nothing written, when the topic is unknown or not this role's own. */
export class PostgresPublisher implements Publisher {
  /** Partitions of a topic are fixed, so they are read once. */
  private readonly partitions = new Map<string, number>();

  private readonly waking = new Set<string>();
  private readonly wakeAgain = new Set<string>();

  constructor(private readonly pool: pg.Pool) {}

  async publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const partitions = await this.partitionsOf(topic);
    const counts = new Map<number, number>();
    const placed = messages.map((message) => {
      const partition = partitionOf(message.key, partitions);
      const place = counts.get(partition) ?? 0;
      counts.set(partition, place + 1);
      return { message, partition, place };
    });
    const values = [
      topic,
      pgArray.int4(placed.map(({ partition }) => partition)),
      pgArray.int4(placed.map(({ place }) => place)),
      pgArray.text(messages.map(({ key }) => key)),
      pgArray.bytea(messages.map(({ value }) => value)),
      pgArray.text(messages.map(({ headers }) => JSON.stringify(headers))),
    ];
    const written = await this.pool.query({ name: 'bus-append', text: APPEND, values });
    if (written.rowCount !== messages.length) throw new Error(`topic ${topic} may not be written by this role`);
    this.wake(topic);
  }

  private async partitionsOf(topic: string): Promise<number> {
    const known = this.partitions.get(topic);
    if (known !== undefined) return known;
    const { rows } = await this.pool.query<{ partitions: number }>('SELECT partitions FROM bus.topic WHERE name = $1', [topic]);
    const found = rows[0]?.partitions;
    if (found === undefined) throw new Error(`topic ${topic} does not exist`);
    this.partitions.set(topic, found);
    return found;
  }

  /**
   * After the commit, since a NOTIFY inside it would make all committing transactions queue for one lock; not waited for, and
   * one at a time for a topic. The messages are durable by now: a failure only means that consumers find them at their next poll.
   */
  private wake(topic: string): void {
    if (this.waking.has(topic)) {
      this.wakeAgain.add(topic);
      return;
    }
    this.waking.add(topic);
    this.pool
      .query({ name: 'bus-wake', text: 'SELECT pg_notify($1, $2)', values: [WAKE_CHANNEL, topic] })
      .catch(() => undefined)
      .finally(() => {
        this.waking.delete(topic);
        if (this.wakeAgain.delete(topic)) this.wake(topic);
      });
  }
}
