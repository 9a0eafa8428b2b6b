import type pg from 'pg';
import { pgArray } from '@exequatur/event-store';
import type { TopicLease } from './topic-lease.js';

/** Only the member that holds a topic's lease may move its group's positions, and never backwards; in one order against deadlocks. */
const ACKNOWLEDGE = `
INSERT INTO bus.consumer_offset AS o (consumer_group, topic, partition, next_offset)
SELECT $1, p.topic, p.partition, p.next FROM unnest($3::text[], $4::int[], $5::bigint[]) AS p (topic, partition, next)
WHERE EXISTS (SELECT 1 FROM bus.lease l WHERE l.consumer_group = $1 AND l.topic = p.topic AND l.member = $2 AND l.expires_at >= clock_timestamp())
ORDER BY p.topic, p.partition
ON CONFLICT (consumer_group, topic, partition) DO UPDATE SET next_offset = greatest(o.next_offset, excluded.next_offset)
RETURNING topic, partition`;

interface Waiting {
  readonly topic: string;
  readonly partition: number;
  readonly next: bigint;
  readonly kept: () => void;
  readonly failed: (error: unknown) => void;
}

/** Moves the positions of a group. Those that are asked for in one turn of the event loop, or while a statement is on its way, share the next statement. */
export class Acknowledgements {
  private waiting: Waiting[] = [];
  private sending = false;

  constructor(
    private readonly pool: pg.Pool,
    private readonly lease: TopicLease,
  ) {}

  /** Resolves when the position is kept. @throws when the lease has passed to another member */
  keep(topic: string, partition: number, next: bigint): Promise<void> {
    return new Promise((kept, failed) => {
      this.waiting.push({ topic, partition, next, kept, failed });
      if (this.sending) return;
      this.sending = true;
      setImmediate(() => void this.send());
    });
  }

  private async send(): Promise<void> {
    while (this.waiting.length > 0) {
      const positions = this.waiting;
      this.waiting = [];
      await this.keepAll(positions).catch((error: unknown) => {
        for (const { failed } of positions) failed(error);
      });
    }
    this.sending = false;
  }

  private async keepAll(positions: readonly Waiting[]): Promise<void> {
    const { group, member } = this.lease.options;
    const values = [
      group,
      member,
      pgArray.text(positions.map(({ topic }) => topic)),
      pgArray.int4(positions.map(({ partition }) => partition)),
      pgArray.int8(positions.map(({ next }) => next)),
    ];
    const { rows } = await this.pool.query<{ topic: string; partition: number }>({ name: 'bus-acknowledge', text: ACKNOWLEDGE, values });
    const moved = new Set(rows.map(({ topic, partition }) => `${partition} ${topic}`));
    for (const { topic, partition, kept, failed } of positions) {
      if (moved.has(`${partition} ${topic}`)) kept();
      else failed(new Error('the lease of this topic has passed to another member'));
    }
  }
}
