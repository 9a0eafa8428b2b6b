import { SERVICES, type ServiceName } from '@exequatur/contracts';
import { busDdl, busOwners } from '@exequatur/messaging';
import { keystoreDdl } from '@exequatur/sealing';
import pg from 'pg';

export interface Bootstrap {
  /** Connection string of an administrator (superuser, or CREATEROLE and owner of the database) to the database that the services will use. */
  readonly adminUrl: string;
  /** Password of each service's role. */
  readonly passwords: Readonly<Record<ServiceName, string>>;
}

/** The role a service connects as. It owns the schema named like the service. */
export const roleOf = (service: ServiceName): string => `exequatur_${service}`;

const KEYSTORE_OWNER = 'exequatur_keystore';

/** Roles belong to the whole server, so two databases of one server share them: the last bootstrap sets the passwords. */
const role = (service: ServiceName, password: string): string => {
  const name = roleOf(service);
  return `
DO $$ BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = ${pg.escapeLiteral(name)}) THEN
    CREATE ROLE ${name} LOGIN;
    -- For administrators that are no superusers: giving a schema to a role needs membership.
    GRANT ${name} TO CURRENT_USER;
  END IF;
END $$;
ALTER ROLE ${name} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION PASSWORD ${pg.escapeLiteral(password)};
`;
};

const schema = (service: ServiceName): string => `
CREATE SCHEMA IF NOT EXISTS ${service} AUTHORIZATION ${roleOf(service)};
REVOKE ALL ON SCHEMA ${service} FROM PUBLIC;
`;

const database = (name: string): string => `
REVOKE ALL ON DATABASE ${pg.escapeIdentifier(name)} FROM PUBLIC;
REVOKE CREATE ON SCHEMA public FROM PUBLIC;
${SERVICES.map((service) => `GRANT CONNECT ON DATABASE ${pg.escapeIdentifier(name)} TO ${roleOf(service)};`).join('\n')}
`;

/**
 * Makes a database ready for the services: a role and a schema each, the bus, the key store. Safe to run again, also at the
 * same time (one transaction under a lock). Tables of a service come from its own migrations, as its own role.
 */
export const bootstrapDatabase = async ({ adminUrl, passwords }: Bootstrap): Promise<void> => {
  const client = new pg.Client({ connectionString: adminUrl, application_name: 'exequatur bootstrap' });
  // The query under way rejects; without a listener the process would end instead.
  client.on('error', () => undefined);
  await client.connect();
  try {
    await client.query("BEGIN; SELECT pg_advisory_xact_lock(hashtextextended('exequatur bootstrap', 0))");
    const { rows } = await client.query<{ name: string }>('SELECT current_database() AS name');
    for (const service of SERVICES) await client.query(role(service, passwords[service]) + schema(service));
    await client.query(database(rows[0]?.name ?? ''));
    await client.query(busDdl({ owners: busOwners(roleOf) }));
    await client.query(keystoreDdl(KEYSTORE_OWNER, SERVICES.map(roleOf)));
    await client.query('COMMIT');
  } finally {
    await client.end();
  }
};
