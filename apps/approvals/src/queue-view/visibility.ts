import type { PersonPrincipal } from '@exequatur/service-kit';

/** People with one of these see every request of their tenant; everybody else those that one of their roles may decide. */
const SEES_ALL: readonly string[] = ['approver', 'operator', 'auditor', 'admin', 'policy-admin'];

export const seesAll = ({ roles }: PersonPrincipal): boolean => roles.some((role) => SEES_ALL.includes(role));

export const maySee = (person: PersonPrincipal, allRoles: readonly string[]): boolean => seesAll(person) || person.roles.some((role) => allRoles.includes(role));
