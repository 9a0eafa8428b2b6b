import { Injectable } from '@nestjs/common';
import type { LentRole, Voter } from '@exequatur/approvals-domain';
import type { PgQueries } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';

interface Row {
  readonly person: string;
  readonly roles: readonly string[];
  readonly lent: readonly LentRole[];
  readonly acted_for: boolean;
}

/** Whether an account of this person, of whatever name, is one of those the agent acts for. */
const actedFor = (person: string): string => `EXISTS (SELECT FROM directory_account a WHERE a.tenant = p.tenant AND a.person = ${person} AND a.subject = ANY ($4))`;

/** Only a role that its owner holds themselves now is lent: what was borrowed is not in the directory, so it goes no further. */
const VOTERS = `SELECT p.person, p.roles, ${actedFor('p.person')} AS acted_for, COALESCE((
  SELECT json_agg(json_build_object('role', d.role, 'from', d.from_person, 'actedFor', ${actedFor('d.from_person')}) ORDER BY d.delegation_id) FROM voting_delegation d
  JOIN directory_person f ON f.tenant = d.tenant AND f.person = d.from_person AND d.role = ANY (f.roles)
  WHERE d.tenant = p.tenant AND d.to_person = p.person AND d.ended_at IS NULL AND d.starts_at <= $3 AND d.ends_at > $3), '[]'::json) AS lent
FROM directory_person p WHERE p.tenant = $1 AND p.person = ANY ($2)`;

/** Who people are at this moment: their roles as the directory has them, and the roles lent to them. */
@Injectable()
export class Voters {
  /** People that the directory no longer knows are left out. `chain`: accounts that the agent acts for. */
  async now(tx: PgQueries, tenant: string, people: readonly string[], now: number, chain: readonly string[] = []): Promise<readonly Voter[]> {
    const { rows } = await tx.query<Row>(VOTERS, [tenant, [...new Set(people)], toInstant(now), chain]);
    return rows.map(({ person, roles, lent, acted_for }) => ({ type: 'person', id: person, roles, lent, actedFor: acted_for }));
  }
}
