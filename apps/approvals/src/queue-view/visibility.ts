import { Injectable } from '@nestjs/common';
import { Database, type PersonPrincipal } from '@exequatur/service-kit';

/** People with one of these see every request of their tenant; everybody else those that one of their roles may decide. */
const SEES_ALL: readonly string[] = ['approver', 'operator', 'auditor', 'admin', 'policy-admin', 'break-glass'];

/** A person as the queue knows them: `roles` includes those lent to them today. */
export interface Viewer extends PersonPrincipal {
  readonly seesAll: boolean;
}

export const maySee = (viewer: Viewer, allRoles: readonly string[], asked: readonly string[]): boolean => viewer.seesAll || asked.includes(viewer.id) || viewer.roles.some((role) => allRoles.includes(role));

const LENT = `SELECT DISTINCT d.role FROM voting_delegation d
  JOIN directory_person f ON f.tenant = d.tenant AND f.person = d.from_person AND d.role = ANY (f.roles)
  WHERE d.tenant = $1 AND d.to_person = $2 AND d.ended_at IS NULL AND d.starts_at <= clock_timestamp() AND d.ends_at > clock_timestamp()`;

@Injectable()
export class Viewers {
  constructor(private readonly database: Database) {}

  async viewer(person: PersonPrincipal): Promise<Viewer> {
    const { rows } = await this.database.query<{ role: string }>(LENT, [person.tenant, person.id]);
    return { ...person, roles: [...new Set([...person.roles, ...rows.map(({ role }) => role)])], seesAll: person.roles.some((role) => SEES_ALL.includes(role)) };
  }
}
