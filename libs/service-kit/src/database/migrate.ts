import { createHash } from 'node:crypto';
import pg from 'pg';
import type { Database } from './database.js';

/** Instances of one service migrate one after the other; services do not wait for each other. */
const lockKey = (schema: string): string => createHash('sha256').update(`migrations:${schema}`).digest().readBigInt64BE(0).toString();

/**
 * Runs the service's pending migrations, each in a transaction, while holding a session lock on a connection of its own:
 * TypeORM runs them on the pool. The lock ends with the connection, also after a crash.
 */
export const migrate = async (database: Database, connectionString: string): Promise<void> => {
  const lock = new pg.Client({ connectionString, application_name: `exequatur-${database.schema} migrations` });
  // Lost while migrations run on the pool: they fail by themselves, and this must not end the process first.
  lock.on('error', () => undefined);
  await lock.connect();
  try {
    await lock.query('SELECT pg_advisory_lock($1::bigint)', [lockKey(database.schema)]);
    await database.dataSource.runMigrations();
  } finally {
    await lock.end();
  }
};
