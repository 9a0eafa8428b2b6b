import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { PATIENCE_MS } from '@exequatur/testing';
import pg from 'pg';

const SCHEMAS = ['policy', 'approvals', 'reservations', 'executor', 'audit'] as const;

/** Facts that a refusal itself records, what the log adds by itself, and what time alone brings about. */
const NOBODY_ASKED = /\.(VoteRefused|ReservationRefused|EventQuarantined|StreamHeadsPublished|TreeHeadPublished|ReservationExpired|ReservationMarkedUnknown|FreezeQuiesced)\.v\d+$/;
/** Tables that move without anything having been done: positions, kept answers to refusals, the log and its views, what circuits have seen. */
const MOVES_BY_ITSELF = /^(event|idempotency|inbox_.*|relay_cursor|stream_heads|migration|leaf|log|log_node|timeline|tree_head|action_fact.*|data_subject.*|cosignature|witness_progress|circuit.*|agent_kinds)$/;

/** Rows that show a recorded refusal or that a time has passed; they still may not become more or fewer. */
const SHOWS_SUCH: ReadonlySet<string> = new Set(['action_view', 'reservation', 'scope_freeze']);

const BETWEEN_LOOKS_MS = 500;

/** Events that no relay has sent yet (heads aside, which follow by themselves), messages that a group has not taken, executions that have not ended. */
const ON_ITS_WAY = `${SCHEMAS.map((schema) => `SELECT '${schema} relays ' || e.type AS what FROM ${schema}.event e, ${schema}.relay_cursor c WHERE (e.xid, e.position) > (c.xid, c.position) AND e.type !~ '(StreamHeads|TreeHead)Published'`).join(' UNION ALL ')}
UNION ALL SELECT l.consumer_group || ' takes ' || l.topic FROM bus.lease l JOIN bus.partition p USING (topic)
LEFT JOIN bus.consumer_offset o ON (o.consumer_group, o.topic, o.partition) = (l.consumer_group, p.topic, p.partition) WHERE coalesce(o.next_offset, 0) < p.next_offset
UNION ALL SELECT 'execution ' || status FROM executor.execution WHERE status IN ('requested', 'started')`;

/** Events by service and type, and rows by table, less what refusals record. */
export type Ledger = Readonly<Record<string, number>>;

/** Reads the database of a standalone as its superuser, past every service. */
export class LedgerReader {
  private constructor(
    private readonly client: pg.Client,
    readonly port: number,
  ) {}

  static async open(dataDir: string): Promise<LedgerReader> {
    const postgres = join(dataDir, 'postgres');
    const port = Number(readFileSync(join(postgres, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[3]);
    const client = new pg.Client({ host: '127.0.0.1', port, user: 'postgres', password: readFileSync(join(postgres, 'superuser-password'), 'utf8').trim(), database: 'exequatur' });
    await client.connect();
    return new LedgerReader(client, port);
  }

  close(): Promise<void> {
    return this.client.end();
  }

  /**
   * Once nothing is on its way any more: what was committed is relayed and taken, no execution is under way, and two looks in a
   * row see the same. @throws Error that names what is still on its way
   */
  async settled(): Promise<Ledger> {
    const deadline = performance.now() + PATIENCE_MS;
    for (let before: string | undefined; ; ) {
      const { onItsWay, everything } = await this.look();
      const seen = onItsWay.length === 0 ? JSON.stringify(everything) : undefined;
      if (seen !== undefined && seen === before) return Object.fromEntries(Object.entries(everything).filter(([name]) => !NOBODY_ASKED.test(name)));
      if (performance.now() > deadline) throw new Error(`nothing settled within ${PATIENCE_MS} ms; on its way: ${onItsWay.join(', ')}`);
      before = seen;
      await delay(BETWEEN_LOOKS_MS);
    }
  }

  /** Why the intake topic's messages were refused, by their bytes. */
  async deadLetters(): Promise<ReadonlyMap<string, string>> {
    const { rows } = await this.client.query<{ value: Buffer; reason: string | null }>(`SELECT value, headers->>'exq-dead-reason' AS reason FROM bus.message WHERE topic = 'exequatur.dead-letters.policy.v1'`);
    return new Map(rows.map(({ value, reason }) => [value.toString('utf8'), reason ?? '']));
  }

  /** Streams whose versions are not 1..n (invariant 19). */
  async brokenStreams(): Promise<readonly string[]> {
    const all = await Promise.all(SCHEMAS.map(async (schema) => {
      const { rows } = await this.client.query<{ name: string }>(`SELECT tenant || '/' || aggregate || '/' || subject AS name FROM ${schema}.event GROUP BY tenant, aggregate, subject HAVING count(*) <> max(version) OR min(version) <> 1`);
      return rows.map(({ name }) => `${schema}: ${name}`);
    }));
    return all.flat();
  }

  /** All of it as of one moment. */
  private async look(): Promise<{ readonly onItsWay: readonly string[]; readonly everything: Record<string, number> }> {
    await this.client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    try {
      return { onItsWay: await this.onItsWay(), everything: await this.everything() };
    } finally {
      await this.client.query('ROLLBACK');
    }
  }

  private async onItsWay(): Promise<readonly string[]> {
    const { rows } = await this.client.query<{ what: string }>(ON_ITS_WAY);
    return rows.map(({ what }) => what);
  }

  private async everything(): Promise<Record<string, number>> {
    const counts: Record<string, number> = {};
    for (const schema of SCHEMAS) {
      const events = await this.client.query<{ type: string; count: string }>(`SELECT type, count(*) FROM ${schema}.event GROUP BY type ORDER BY type`);
      for (const { type, count } of events.rows) counts[`${schema} ${type}`] = Number(count);
      const tables = await this.client.query<{ table_name: string }>('SELECT table_name FROM information_schema.tables WHERE table_schema = $1 ORDER BY table_name', [schema]);
      for (const { table_name: table } of tables.rows.filter((row) => !MOVES_BY_ITSELF.test(row.table_name))) {
        const { rows } = await this.client.query<{ count: string; digest: string | null }>(`SELECT count(*), sum(hashtext(row::text)) AS digest FROM ${schema}.${table} AS row`);
        counts[`${schema}.${table}`] = Number(rows[0]?.count ?? 0);
        if (!SHOWS_SUCH.has(table)) counts[`${schema}.${table} contents`] = Number(rows[0]?.digest ?? 0);
      }
    }
    return counts;
  }
}
