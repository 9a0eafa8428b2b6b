import { Injectable } from '@nestjs/common';
import { decide, GRANT_LIFETIME_MS } from '@exequatur/approvals-domain';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor } from '@exequatur/event-store';
import { isRefusal } from '@exequatur/kernel';
import { Database } from '@exequatur/service-kit';
import { approvalStream, ApprovalStreams } from '../approval-stream/approval-streams.js';
import { Voters } from '../decide-request/voters.js';

/** Nobody takes the grant back: what it stood on is gone. */
const REVOKING: Actor = { type: 'system', id: 'approvals' };
/** Grants one look takes back at most; what is left is found by the next. */
const BATCH = 500;

interface Standing {
  readonly tenant: string;
  readonly approval_id: string;
}

/** Grants that may still be valid, with a vote of this person, or of somebody they lent a role to. */
const OF_PERSON = `SELECT DISTINCT r.tenant, r.approval_id FROM vote_cast v JOIN approval_request r ON r.tenant = v.tenant AND r.approval_id = v.approval_id
WHERE v.tenant = $1 AND (v.person = $2 OR v.person IN (SELECT to_person FROM voting_delegation WHERE tenant = $1 AND from_person = $2))
  AND r.status = 'granted' AND r.resolved_at > clock_timestamp() - $3 * interval '1 millisecond' LIMIT ${BATCH}`;

/** The same, of whoever borrowed a role that was given back, or whose day came, since then. */
const OF_ENDED_LOANS = `SELECT DISTINCT r.tenant, r.approval_id FROM voting_delegation d
JOIN vote_cast v ON v.tenant = d.tenant AND v.person = d.to_person JOIN approval_request r ON r.tenant = v.tenant AND r.approval_id = v.approval_id
WHERE (d.ended_at > $1 OR (d.ends_at > $1 AND d.ends_at <= clock_timestamp()))
  AND r.status = 'granted' AND r.resolved_at > clock_timestamp() - $2 * interval '1 millisecond' LIMIT ${BATCH}`;

/**
 * Eligibility when a grant is used: a vote counts as long as its person holds the role, their own or lent. When it does not
 * any more, the grants that stand on it are taken back, and reservations refuses them as any that was revoked.
 */
@Injectable()
export class RevokeLostGrants {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly streams: ApprovalStreams,
    private readonly voters: Voters,
  ) {}

  /** After the roles of a person changed. Doing it again changes nothing. */
  async ofPerson(tenant: string, person: string): Promise<void> {
    const { rows } = await this.database.query<Standing>(OF_PERSON, [tenant, person, GRANT_LIFETIME_MS]);
    for (const each of rows) await this.judge(each);
  }

  /** Loans that ended after `since`, by the database's clock. */
  async ofLoansEnded(since: Date): Promise<void> {
    const { rows } = await this.database.query<Standing>(OF_ENDED_LOANS, [since.toISOString(), GRANT_LIFETIME_MS]);
    for (const each of rows) await this.judge(each);
  }

  private async judge({ tenant, approval_id }: Standing): Promise<void> {
    await this.store.transact({ streams: [approvalStream(tenant, approval_id)] }, async (tx) => {
      const approval = await this.streams.load(tx, tenant, approval_id);
      if (approval?.state.status !== 'Granted') return;
      const now = await this.streams.databaseNow(tx);
      const voters = await this.voters.now(tx, tenant, approval.state.votes.map(({ person }) => person), now);
      const decision = decide({ type: 'Recheck', metadata: { now }, data: { voters } }, approval.state);
      if (isRefusal(decision) || decision.length === 0) return;
      await this.streams.append(tx, tenant, approval.events, decision, { actor: REVOKING, now });
    });
  }
}
