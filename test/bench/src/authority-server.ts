import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { ServiceName } from '@exequatur/contracts';
import { startEmbeddedPostgres } from '@exequatur/local-servers';
import { bootstrapDatabase } from '@exequatur/service-kit';
import { createDatabase, DATABASE, databaseUrlOf, environmentOf, everyService, NODE_OPTIONS, secretsOf } from '@exequatur/standalone';

/** Instances of reservations on one PostgreSQL (fsync and synchronous_commit on), and policy for as long as grants are made. */
export interface AuthorityServer {
  readonly urls: { readonly policy: string; readonly reservations: readonly string[] };
  readonly adminToken: string;
  readonly databaseUrl: string;
  /** process ids of the instances, and of the postmaster */
  readonly pids: { readonly reservations: readonly number[]; readonly postgres: number };
  /** From here on nothing runs beside the authority and its database. */
  stopPolicy(): Promise<void>;
  stop(): Promise<void>;
}

const READY_WITHIN_MS = 60_000;
const FOLDER: Readonly<Partial<Record<ServiceName, string>>> = { policy: 'policy', reservations: 'reservations' };

export const startAuthorityServer = async (instances: number): Promise<AuthorityServer> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'exequatur-bench-'));
  // PostgreSQL refuses root; the account it then runs as must be able to pass.
  chmodSync(dataDir, 0o711);
  const secrets = secretsOf(dataDir);
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(dataDir, 'postgres'), log: () => undefined });
  await createDatabase(postgres.url());
  const database = new URL(postgres.url());
  database.pathname = `/${DATABASE}`;
  await bootstrapDatabase({ adminUrl: database.href, passwords: secrets.databasePasswords });
  const place = { host: database.hostname, port: Number(database.port || 5_432), name: DATABASE };
  const start = async (service: ServiceName): Promise<{ url: string; child: ChildProcess }> => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const environment = environmentOf(service, { secrets, database: place, transport: { kind: 'postgres' }, logLevel: 'error', host: '127.0.0.1', urls: everyService(() => url) });
    const child = spawn(process.execPath, [fileURLToPath(new URL(`../../../apps/${FOLDER[service]}/dist/main.js`, import.meta.url))], { env: { PATH: process.env['PATH'], NODE_OPTIONS: `${NODE_OPTIONS} ${process.env['EXEQUATUR_BENCH_NODE_OPTIONS'] ?? ''}`, ...environment, REQUESTS_PER_SECOND: '1000000' }, stdio: ['ignore', 'ignore', 'inherit'] });
    await untilReady(url, child);
    return { url, child };
  };
  const policy = await start('policy');
  const reservations: { url: string; child: ChildProcess }[] = [];
  for (let nth = 0; nth < instances; nth += 1) reservations.push(await start('reservations'));
  return {
    urls: { policy: policy.url, reservations: reservations.map(({ url }) => url) },
    adminToken: secrets.adminToken,
    databaseUrl: databaseUrlOf('reservations', secrets, place),
    pids: { reservations: reservations.map(({ child }) => child.pid ?? 0), postgres: postgres.pid },
    stopPolicy: () => ended(policy.child),
    stop: async () => {
      await Promise.all([policy, ...reservations].map(({ child }) => ended(child)));
      await postgres.stop();
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
};

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await gone;
};

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

const untilReady = async (url: string, child: ChildProcess): Promise<void> => {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await fetch(`${url}/readyz`).then((response) => response.ok, () => false))) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    if (Date.now() > deadline) throw new Error('the server was not ready in 60 s');
    await delay(100);
  }
};
