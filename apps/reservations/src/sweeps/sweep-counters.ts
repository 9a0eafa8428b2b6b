import { Injectable } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { Database } from '@exequatur/service-kit';

const MAX_SWEPT = 1_000;
/** Nothing has counted in it for an hour. */
const REST_MS = 3_600_000;

interface Counter {
  readonly tenant: string;
  readonly rule_id: string;
  readonly subject: string;
}

const IDLE = `SELECT tenant, rule_id, subject FROM velocity_counter WHERE idle_from_ms <= extract(epoch FROM clock_timestamp()) * 1000 - $1 ORDER BY tenant LIMIT $2`;

const FORGET = `
DELETE FROM velocity_counter v USING unnest($2::text[], $3::text[]) AS w (rule_id, subject)
WHERE v.tenant = $1 AND v.rule_id = w.rule_id AND v.subject = w.subject AND v.idle_from_ms <= extract(epoch FROM clock_timestamp()) * 1000 - $4`;

/** Takes away velocity counters that no claim needs: subjects come and go, agents and targets most of all. */
@Injectable()
export class SweepCounters {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
  ) {}

  async sweep(): Promise<void> {
    const { rows } = await this.database.query<Counter & Record<string, unknown>>(IDLE, [REST_MS, MAX_SWEPT]);
    for (const tenant of new Set(rows.map((counter) => counter.tenant))) await this.forget(tenant, rows.filter((counter) => counter.tenant === tenant));
  }

  /** Under the exclusive fence: a claim opens its counters in one statement and locks them in the next. */
  private forget(tenant: string, counters: readonly Counter[]): Promise<void> {
    return this.store.transact({ fences: [{ tenant, mode: 'exclusive' }], streams: [] }, async (tx) => {
      await tx.query(FORGET, [tenant, counters.map(({ rule_id }) => rule_id), counters.map(({ subject }) => subject), REST_MS]);
    });
  }
}
