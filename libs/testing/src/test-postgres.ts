import { randomBytes } from 'node:crypto';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { removePostgresData, startEmbeddedPostgres } from '@exequatur/local-servers';
import pg from 'pg';
import { isAlive } from './living-process.js';

/** A database of its own for one suite or test. */
export type TestDatabase = {
  /** Connection string as the superuser. */
  url: string;
  /** Ends open connections and deletes it. */
  drop(): Promise<void>;
};

export type TestPostgres = {
  /** Connection string of the superuser to database `postgres`. */
  url: string;
  /** `name` as given (lower case letters, digits, underscores), else a random one. */
  createDatabase(name?: string): Promise<TestDatabase>;
  stop(): Promise<void>;
};

export type TestPostgresOptions = {
  /** fsync on, as in production: for suites about crashes. Off by default, for speed. */
  durable?: boolean;
  /** Further PostgreSQL settings by name; ignored for a server named by EXEQUATUR_TEST_POSTGRES_URL. */
  settings?: Readonly<Record<string, string>>;
};

const prefix = 'exequatur-test-postgres-';
const repositoryRoot = fileURLToPath(new URL('../../../', import.meta.url));
const template = join(repositoryRoot, '.cache', `postgres-template-${process.getuid?.() ?? 0}`);
const quick = { fsync: 'off', full_page_writes: 'off', synchronous_commit: 'off' };

/** Removes directories of test runs that were killed; their servers ended with them. The name holds the owner's pid. */
const sweepLeftovers = (): void => {
  for (const name of readdirSync(tmpdir()).filter((entry) => entry.startsWith(prefix))) {
    const pid = Number(name.slice(prefix.length).split('-')[0]);
    if (!Number.isSafeInteger(pid) || isAlive(pid)) continue;
    try {
      removePostgresData(join(tmpdir(), name));
      rmSync(join(tmpdir(), name), { recursive: true, force: true, maxRetries: 3 });
    } catch {
      // Another run sweeps it at this moment, or its server is still ending: the next run finds what is left.
    }
  }
};

const execute = async (url: string, statement: string): Promise<void> => {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
};

const withDatabase = (url: string, database: string): string => {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.toString();
};

const createDatabase = async (url: string, name = `test_${randomBytes(6).toString('hex')}`): Promise<TestDatabase> => {
  if (!/^[a-z][a-z0-9_]{0,62}$/.test(name)) throw new Error(`not a database name for tests: ${name}`);
  await execute(url, `CREATE DATABASE ${name}`);
  return { url: withDatabase(url, name), drop: () => execute(url, `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`) };
};

/**
 * A real PostgreSQL for a suite: call in beforeAll, `stop()` in afterAll. Starts an embedded server on a temporary directory
 * copied from a cached cluster; it ends with the test process, even when that is killed.
 * With EXEQUATUR_TEST_POSTGRES_URL (a superuser's connection string) that server is used and left running.
 */
export const startTestPostgres = async (options: TestPostgresOptions = {}): Promise<TestPostgres> => {
  const given = process.env['EXEQUATUR_TEST_POSTGRES_URL'];
  if (given !== undefined && given !== '') {
    return { url: given, createDatabase: (name) => createDatabase(given, name), stop: () => Promise.resolve() };
  }
  sweepLeftovers();
  const dataDirectory = mkdtempSync(join(tmpdir(), `${prefix}${process.pid}-`));
  const settings = { max_connections: '100', shared_buffers: '32MB', ...(options.durable === true ? {} : quick), ...options.settings };
  const server = await startEmbeddedPostgres({ dataDirectory, template, settings });
  const url = server.url();
  return {
    url,
    createDatabase: (name) => createDatabase(url, name),
    stop: async () => {
      await server.stop();
      removePostgresData(dataDirectory);
      rmSync(dataDirectory, { recursive: true, force: true, maxRetries: 10 });
    },
  };
};
