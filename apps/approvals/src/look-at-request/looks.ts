import { Injectable } from '@nestjs/common';
import type { PgQueries } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { Database, type PersonPrincipal } from '@exequatur/service-kit';

/** When each person first saw a request: what the time they took is counted from. No event, since looking decides nothing. */
@Injectable()
export class Looks {
  constructor(private readonly database: Database) {}

  async looked(person: PersonPrincipal, approvalId: string): Promise<void> {
    await this.database.query('INSERT INTO approval_look (tenant, approval_id, person) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING', [person.tenant, approvalId, person.id]);
  }

  /** Milliseconds since this person first saw it; undefined when they never did. */
  async dwellMs(tx: PgQueries, tenant: string, approvalId: string, person: string, now: number): Promise<number | undefined> {
    const { rows } = await tx.query<{ ms: string }>('SELECT floor(extract(epoch FROM ($4::timestamptz - first_at)) * 1000)::bigint::text AS ms FROM approval_look WHERE tenant = $1 AND approval_id = $2 AND person = $3', [tenant, approvalId, person, toInstant(now)]);
    return rows[0] === undefined ? undefined : Math.max(0, Number(rows[0].ms));
  }
}
