import { Inject, Injectable } from '@nestjs/common';
import { ActionProposed } from '@exequatur/contracts';
import type { EventEnvelope, SealedOf } from '@exequatur/contracts';
import { open } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { Database, KEY_STORE, ServiceConfig } from '@exequatur/service-kit';
import type { Queryable } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import { namesIn, subjectTokens } from './subject-tokens.js';
import type { TokenOf } from './subject-tokens.js';

interface Named {
  readonly actionId: string;
  readonly tokens: readonly Buffer[];
}

const PROPOSED = `
SELECT bytes FROM leaf WHERE tenant = $1 AND sequence >= $2 AND sequence < $3 AND type = $4 AND origin = 'ok' AND NOT pruned ORDER BY leaf.sequence`;

/** Erased actions stay out; one that is erased at this moment is taken out by the next pass. */
const WRITE = `
INSERT INTO data_subject (tenant, token, action_id)
SELECT $1, token, action_id FROM unnest($2::bytea[], $3::uuid[]) AS named (token, action_id)
WHERE NOT EXISTS (SELECT FROM erased_action e WHERE e.tenant = $1 AND e.action_id = named.action_id)
ON CONFLICT DO NOTHING`;

/** Leads from a person to the actions that name them: keyed hashes of what was sealed, made behind the log. */
@Injectable()
export class IndexSubjects {
  constructor(
    private readonly database: Database,
    private readonly config: ServiceConfig,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  tokensOf(tenant: string): TokenOf {
    return subjectTokens(Buffer.from(this.config.EXEQUATUR_KEK, 'base64url'), tenant);
  }

  /** Everything that is logged now, a chunk a transaction; whoever holds the cursor's row does it. */
  async catchUp(tenant: string): Promise<void> {
    const { rows } = await this.database.query<{ size: string; next: string | null }>('SELECT size::text, (SELECT next_sequence::text FROM data_subject_cursor c WHERE c.tenant = log.tenant) AS next FROM log WHERE tenant = $1', [tenant]);
    const size = Number(rows[0]?.size ?? 0);
    for (let more = Number(rows[0]?.next ?? 0) < size; more; ) more = await this.inTransaction((tx) => this.chunk(tx, tenant, size));
    await this.database.query('DELETE FROM data_subject d USING erased_action e WHERE d.tenant = $1 AND e.tenant = d.tenant AND e.action_id = d.action_id', [tenant]);
  }

  private async chunk(tx: Queryable, tenant: string, size: number): Promise<boolean> {
    await tx.query('INSERT INTO data_subject_cursor (tenant, next_sequence) VALUES ($1, 0) ON CONFLICT DO NOTHING', [tenant]);
    const cursor = await tx.query<{ next: string }>('SELECT next_sequence::text AS next FROM data_subject_cursor WHERE tenant = $1 FOR UPDATE', [tenant]);
    const next = Number(cursor.rows[0]?.next ?? 0);
    const to = Math.min(size, next + AUDIT_LIMITS.factLeaves);
    if (to <= next) return false;
    const { rows } = await tx.query<{ bytes: Buffer }>(PROPOSED, [tenant, next, to, ActionProposed.type]);
    const named = await this.named(tenant, rows.map(({ bytes }) => JSON.parse(bytes.toString('utf8')) as EventEnvelope<{ readonly action_id: string }>));
    const pairs = named.flatMap(({ actionId, tokens }) => tokens.map((token) => ({ actionId, token })));
    if (pairs.length > 0) await tx.query(WRITE, [tenant, pairs.map(({ token }) => token), pairs.map(({ actionId }) => actionId)]);
    await tx.query('UPDATE data_subject_cursor SET next_sequence = $2 WHERE tenant = $1', [tenant, to]);
    return to < size;
  }

  private async named(tenant: string, events: readonly EventEnvelope<{ readonly action_id: string }>[]): Promise<readonly Named[]> {
    const keys = await this.keys.actionKeys(tenant, [...new Set(events.map(({ data }) => data.action_id))]);
    const token = this.tokensOf(tenant);
    return events.flatMap(({ id, data, sealed }) => {
      const key = keys.get(data.action_id);
      if (key === undefined || sealed === undefined) return [];
      const { arguments: args, target } = open(key, sealed, id) as SealedOf<typeof ActionProposed>;
      return [{ actionId: data.action_id, tokens: namesIn([JSON.parse(args), target]).map(token) }];
    });
  }

  private async inTransaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T> {
    const client = await this.database.pool.connect();
    try {
      await client.query('BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      client.release();
      return result;
    } catch (error) {
      client.release(true);
      throw error;
    }
  }
}
