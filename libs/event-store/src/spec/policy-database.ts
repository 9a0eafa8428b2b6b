import pg from 'pg';
import { eventStoreDdl } from '../ddl.js';

/** For specs: a PostgreSQL with the tables of service `policy` in a schema of its own, owned by a role that is no superuser. */
export interface PolicyDatabase {
  /** As the service connects: its role, its schema first in search_path. */
  readonly url: string;
  /** As the superuser. */
  readonly adminUrl: string;
  pool(max?: number): pg.Pool;
  close(): Promise<void>;
}

/** What libs/testing's startTestPostgres gives. */
interface PostgresServer {
  readonly url: string;
  createDatabase(): Promise<{ url: string; drop(): Promise<void> }>;
  stop(): Promise<void>;
}

/** Takes the server over: close() stops it. */
export const onPolicyDatabase = async (server: PostgresServer): Promise<PolicyDatabase> => {
  const database = await server.createDatabase();
  const role = `policy_${new URL(database.url).pathname.slice(1)}`;
  const admin = new pg.Client({ connectionString: database.url });
  await admin.connect();
  await admin.query(`CREATE ROLE ${role} LOGIN PASSWORD 'policy'; CREATE SCHEMA policy AUTHORIZATION ${role}`);
  await admin.query(`SET ROLE ${role}; SET search_path = policy; ${eventStoreDdl()}`);
  await admin.end();
  const url = new URL(database.url);
  url.username = role;
  url.password = 'policy';
  url.searchParams.set('options', '-c search_path=policy');
  const pools: pg.Pool[] = [];
  return {
    url: url.toString(),
    adminUrl: database.url,
    pool: (max = 10) => {
      const pool = new pg.Pool({ connectionString: url.toString(), max, pipeline: true });
      pool.on('error', () => undefined);
      pools.push(pool);
      return pool;
    },
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end()));
      await database.drop();
      const cleaner = new pg.Client({ connectionString: server.url });
      await cleaner.connect();
      await cleaner.query(`DROP ROLE ${role}`);
      await cleaner.end();
      await server.stop();
    },
  };
};
