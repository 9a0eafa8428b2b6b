import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ServiceName } from '@exequatur/contracts';

/** What the first start prints and keeps in `<data directory>/credentials.json` (0600): development credentials of the demo tenant. */
export interface Credentials {
  readonly tenant: string;
  readonly scope_path: string;
  /** bearer key of the agent `outreach-agent` */
  readonly agent: string;
  /** bearer tokens of people, by what they may do */
  readonly approver: string;
  readonly operator: string;
  readonly auditor: string;
}

const TENANT = 'acme';
const SCOPE = `tenant:${TENANT}/workspace:sales/app:outreach`;

interface Person {
  readonly person: string;
  readonly roles: readonly string[];
}
const PEOPLE: Readonly<Record<'approver' | 'operator' | 'auditor', Person>> = {
  approver: { person: 'alice', roles: ['approver', 'finance'] },
  operator: { person: 'oscar', roles: ['operator', 'policy-admin'] },
  auditor: { person: 'ada', roles: ['auditor'] },
};

type Post = <T>(service: ServiceName, path: string, key: string, body: unknown) => Promise<T>;

/** Writes through the services' own HTTP surface, as root. One key a step, so a start that was interrupted goes on where it stopped. */
const poster =
  (urls: Readonly<Record<ServiceName, string>>, adminToken: string): Post =>
  async <T>(service: ServiceName, path: string, key: string, body: unknown): Promise<T> => {
    const response = await fetch(`${urls[service]}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${adminToken}`, 'content-type': 'application/json', 'idempotency-key': `seed-${key}` },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`seeding the demo tenant: POST ${path} answered ${response.status}: ${text}`);
    return JSON.parse(text) as T;
  };

/** The demo tenant: made on the first start, read from the file on later ones. */
export const seedDemoTenant = async (dataDirectory: string, urls: Readonly<Record<ServiceName, string>>, adminToken: string, policySource: string): Promise<Credentials> => {
  const file = join(dataDirectory, 'credentials.json');
  if (existsSync(file)) return JSON.parse(readFileSync(file, 'utf8')) as Credentials;
  const post = poster(urls, adminToken);
  const tenant = TENANT;
  await post('policy', '/v1/tenants', 'tenant', { tenant, display_name: 'Acme (demo)' });
  const people = {} as Record<keyof typeof PEOPLE, string>;
  for (const [role, { person, roles }] of Object.entries(PEOPLE) as [keyof typeof PEOPLE, Person][]) {
    const linked = await post<{ token: string }>('policy', '/v1/people', `person-${person}`, { tenant, person, subject: `local#${person}`, roles, issue_token: true });
    people[role] = linked.token;
  }
  await post('policy', '/v1/agents', 'agent', { tenant, agent: 'outreach-agent', display_name: 'Outreach agent', owner: 'oscar', scope_prefix: `tenant:${TENANT}/workspace:sales` });
  const key = await post<{ key: string }>('policy', '/v1/agents/outreach-agent/keys', 'agent-key', { tenant });
  await post('policy', '/v1/policies', 'policy', { tenant, source: policySource, reason: 'First policy of the demo tenant' });
  await post('reservations', '/v1/budgets', 'points', { tenant, scope_path: `tenant:${TENANT}`, unit: 'RISK_POINTS', cap: '10000' });
  await post('reservations', '/v1/budgets', 'usd', { tenant, scope_path: `tenant:${TENANT}`, unit: 'USD_MICROCENTS', cap: '100000000000' });
  const credentials: Credentials = { tenant, scope_path: SCOPE, agent: key.key, approver: people.approver, operator: people.operator, auditor: people.auditor };
  writeFileSync(file, `${JSON.stringify(credentials, null, 2)}\n`, { mode: 0o600 });
  chmodSync(file, 0o600);
  return credentials;
};

/** The policy of the demo tenant, as its author wrote it. */
export const examplePolicy = (): string => readFileSync(new URL('../../policy/policies/outreach.yaml', import.meta.url), 'utf8');
