import { Injectable } from '@nestjs/common';
import { DEFAULT_REJECTION_REASONS } from '@exequatur/approvals-domain';
import { RejectionReasonsSet } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { Database, type PersonPrincipal, type Queryable } from '@exequatur/service-kit';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';

export const reasonsStream = (tenant: string): StreamId => ({ tenant, aggregate: 'rejection-reasons', id: tenant });

/** What people of a tenant reject with. */
@Injectable()
export class RejectionReasons {
  constructor(
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
    private readonly database: Database,
  ) {}

  /** `tx`: inside a transaction, as it sees them. */
  async of(tenant: string, tx: Queryable = this.database): Promise<{ readonly codes: readonly string[]; readonly own: boolean }> {
    const { rows } = await tx.query<{ codes: readonly string[] }>('SELECT codes FROM rejection_reasons WHERE tenant = $1', [tenant]);
    return rows[0] === undefined ? { codes: DEFAULT_REJECTION_REASONS, own: false } : { codes: rows[0].codes, own: true };
  }

  /** The caller holds the stream's lock. */
  async set(tx: PgTransaction, person: PersonPrincipal, codes: readonly string[]): Promise<void> {
    const stream = reasonsStream(person.tenant);
    const past = await this.store.load(tx, stream);
    const time = toInstant(await this.streams.databaseNow(tx));
    await this.store.append(tx, [{ stream, expectedVersion: past.length, events: [{ definition: RejectionReasonsSet, data: { codes }, actor: { type: 'person', id: person.id }, time }] }]);
    await tx.query('INSERT INTO rejection_reasons (tenant, codes) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET codes = excluded.codes', [person.tenant, codes]);
  }
}
