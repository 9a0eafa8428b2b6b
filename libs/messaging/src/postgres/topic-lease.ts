import type pg from 'pg';

/** Takes free or expired leases and renews those held, all topics of a member in one statement; sorted against deadlocks. */
const HOLD = `
INSERT INTO bus.lease AS l (consumer_group, topic, member, expires_at)
SELECT $1, topic, $3, clock_timestamp() + make_interval(secs => $4::double precision / 1000) FROM unnest($2::text[]) AS topic ORDER BY topic
ON CONFLICT (consumer_group, topic) DO UPDATE SET member = excluded.member, expires_at = excluded.expires_at
WHERE l.member = excluded.member OR l.expires_at < clock_timestamp()
RETURNING topic`;

export interface LeaseOptions {
  readonly group: string;
  readonly topics: readonly string[];
  /** Unique to one running subscription. */
  readonly member: string;
  readonly leaseMs: number;
}

/**
 * Which topics this member of the group may read. Judged by the database's clock when taken, and by this process's
 * monotonic clock from before the question was asked, so a member believes in its lease no longer than the others do.
 * A stalled member may still be in a handler when its lease has passed on; the inbox makes that harmless.
 */
export class TopicLease {
  private readonly until = new Map<string, number>();

  constructor(
    private readonly pool: pg.Pool,
    readonly options: LeaseOptions,
  ) {}

  holds(topic: string): boolean {
    return (this.until.get(topic) ?? -Infinity) > performance.now();
  }

  /** Resolves to the topics that this call newly brought. */
  async hold(): Promise<readonly string[]> {
    const { group, topics, member, leaseMs } = this.options;
    const asked = performance.now();
    const { rows } = await this.pool.query<{ topic: string }>(HOLD, [group, [...topics].sort(), member, leaseMs]);
    const mine = rows.map(({ topic }) => topic);
    const gained = mine.filter((topic) => !this.holds(topic));
    for (const topic of topics) if (!mine.includes(topic)) this.until.delete(topic);
    for (const topic of mine) this.until.set(topic, asked + leaseMs);
    return gained;
  }

  async release(): Promise<void> {
    this.until.clear();
    await this.pool.query('DELETE FROM bus.lease WHERE consumer_group = $1 AND member = $2', [this.options.group, this.options.member]);
  }
}
