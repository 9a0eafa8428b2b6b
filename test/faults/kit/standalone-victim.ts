import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { everyService } from '@exequatur/standalone';
import { startStandalone, temporaryDirectory } from '../../e2e/programs.js';
import type { Rows } from './ledger.js';
import type { LogSource } from './exported-log.js';
import type { Where } from './tenant.js';

/** A running Exequatur of either topology, as far as scenarios of both need it. */
export interface Running extends Where {
  readonly rows: Rows;
  stop(): Promise<void>;
}

/** `npm start` in a directory of its own, with its database open to the scenario as well. */
export const startStandaloneVictim = async (): Promise<Running> => {
  const directory = temporaryDirectory();
  const standalone = await startStandalone(directory.path);
  const home = join(directory.path, 'postgres');
  // The fourth line of postmaster.pid is the port (PostgreSQL, "pidfile.h").
  const port = readFileSync(join(home, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[3];
  const password = readFileSync(join(home, 'superuser-password'), 'utf8').trim();
  const pool = new pg.Pool({ connectionString: `postgresql://postgres:${password}@127.0.0.1:${port}/exequatur`, max: 2 });
  pool.on('error', () => undefined);
  return {
    urls: everyService(() => standalone.origin),
    adminToken: standalone.adminToken,
    trustedKeys: { trustedKeys: JSON.parse(readFileSync(join(directory.path, 'secrets', 'trusted-keys.json'), 'utf8')) as NonNullable<LogSource['trustedKeys']['trustedKeys']> },
    rows: async <R extends pg.QueryResultRow>(sql: string, values: unknown[] = []) => (await pool.query<R>(sql, values)).rows,
    stop: async () => {
      await pool.end();
      await standalone.interrupt();
      directory.remove();
    },
  };
};
