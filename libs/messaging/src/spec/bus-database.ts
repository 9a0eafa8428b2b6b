import { SERVICES } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import pg from 'pg';
import { busDdl, busOwners } from '../postgres/bus-ddl.js';

/** For specs: a PostgreSQL with the bus and, as in production, a role a service that is no superuser. */
export interface BusDatabase {
  /** As the superuser. */
  readonly admin: pg.Pool;
  /** As the service connects: its role, its own schema in search_path. */
  urlOf(service: ServiceName): string;
  poolOf(service: ServiceName): pg.Pool;
  /** Ends every connection of the service's role on the server, as a restart of PostgreSQL would. */
  cut(service: ServiceName): Promise<void>;
  close(): Promise<void>;
}

/** What libs/testing's startTestPostgres gives. */
interface PostgresServer {
  createDatabase(): Promise<{ readonly url: string }>;
  stop(): Promise<void>;
}

const roleOf = (service: ServiceName): string => `exequatur_${service}`;

/** Takes the server over: close() stops it. */
export const onBusDatabase = async (server: PostgresServer): Promise<BusDatabase> => {
  const { url } = await server.createDatabase();
  const pools: pg.Pool[] = [];
  const connect = (connectionString: string): pg.Pool => {
    const pool = new pg.Pool({ connectionString, max: 10, pipeline: true });
    pool.on('error', () => undefined);
    pools.push(pool);
    return pool;
  };
  const admin = connect(url);
  for (const service of SERVICES) await admin.query(`CREATE ROLE ${roleOf(service)} LOGIN PASSWORD 'secret'; CREATE SCHEMA ${service} AUTHORIZATION ${roleOf(service)}`);
  await admin.query(busDdl({ owners: busOwners(roleOf) }));
  const urlOf = (service: ServiceName): string => {
    const changed = new URL(url);
    changed.username = roleOf(service);
    changed.password = 'secret';
    changed.searchParams.set('options', `-c search_path=${service}`);
    return changed.toString();
  };
  return {
    admin,
    urlOf,
    poolOf: (service) => connect(urlOf(service)),
    cut: async (service) => void (await admin.query('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = $1', [roleOf(service)])),
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()));
      await server.stop();
    },
  };
};
