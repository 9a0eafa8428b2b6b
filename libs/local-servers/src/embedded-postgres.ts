import { spawn, type ChildProcess } from 'node:child_process';
import { existsSync, openSync, closeSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { lockDirectory } from './directory-lock.js';
import { freePort } from './free-port.js';
import { PortTaken, ServerDidNotStart } from './local-server-errors.js';
import { endOrphan } from './orphaned-postgres.js';
import { reachableBinaries } from './postgres-binaries.js';
import { ensureCluster, superuser } from './postgres-cluster.js';
import { prepareHome } from './postgres-home.js';
import { waitUntil } from './process-table.js';
import { endWithParent, runAs, serverAccount, type ServerAccount } from './server-account.js';

export type EmbeddedPostgresOptions = {
  /** Holds the cluster, its password and the server's log; created when absent. */
  dataDirectory: string;
  /** On 127.0.0.1; a free one when left out. */
  port?: number;
  /** Receives progress, one line a call. */
  log?: (line: string) => void;
  /** PostgreSQL settings by name, on top of the defaults; fsync and synchronous_commit are on unless said here. */
  settings?: Readonly<Record<string, string>>;
  /** Tests only: a directory that keeps an initialised cluster to copy from, which saves initdb. */
  template?: string;
};

export type EmbeddedPostgres = {
  /** Connection string of the superuser; database `postgres` by default. */
  url(database?: string): string;
  port: number;
  pid: number;
  /** Resolves when the server has ended, for whatever reason. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Fast shutdown, within 5 s; then the directory is free. Calling it again waits for the same end. */
  stop(): Promise<void>;
};

const readyWithinMs = 60_000;
const portAttempts = 5;

const defaults: Readonly<Record<string, string>> = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '200',
  // Plans follow growing tables: young installations start from empty ones.
  autovacuum_naptime: '20s',
  // A new WAL file is not filled with zeros first: under load one comes each second, and every commit waited for it up to 70 ms.
  wal_init_zero: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
};

type Launch = { home: string; binaries: string; account: ServerAccount | undefined; settings: Readonly<Record<string, string>> };
type Running = { child: ChildProcess; pid: number; port: number; exited: EmbeddedPostgres['exited'] };

const spawnServer = (launch: Launch, port: number): ChildProcess => {
  const logFile = join(launch.home, 'server.log');
  if (existsSync(logFile)) renameSync(logFile, `${logFile}.1`);
  const output = openSync(logFile, 'w', 0o600);
  const settings = Object.entries({ ...defaults, ...launch.settings, port: String(port) }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const [command, args] = endWithParent('INT', join(launch.binaries, 'bin', 'postgres'), ['-D', join(launch.home, 'cluster'), ...settings]);
  // Its own session: Ctrl-C in a terminal must reach the services first, which then stop the server.
  const child = spawn(command, args, { cwd: '/', detached: true, stdio: ['ignore', output, output], env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' }, ...runAs(launch.account) });
  closeSync(output);
  return child;
};

/** The status line of postmaster.pid, which pg_ctl reads as well. */
const isReady = (home: string): boolean => {
  try {
    return readFileSync(join(home, 'cluster', 'postmaster.pid'), 'utf8').split('\n')[7]?.trim() === 'ready';
  } catch {
    return false;
  }
};

const stopChild = async (running: Running): Promise<void> => {
  const ended = (): boolean => running.child.exitCode !== null || running.child.signalCode !== null;
  for (const [signal, waitMs] of [['SIGINT', 4_000], ['SIGQUIT', 700], ['SIGKILL', 2_000]] as const) {
    if (ended()) return;
    running.child.kill(signal);
    if (await waitUntil(ended, waitMs)) return;
  }
};

const launchOnce = async (launch: Launch, port: number): Promise<Running> => {
  const child = spawnServer(launch, port);
  let failure: string | undefined;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once('exit', (code, signal) => resolve({ code, signal }));
    child.once('error', (error) => {
      failure = error.message;
      resolve({ code: null, signal: null });
    });
  });
  const ended = (): boolean => failure !== undefined || child.exitCode !== null || child.signalCode !== null;
  await waitUntil(() => isReady(launch.home) || ended(), readyWithinMs);
  if (ended() || child.pid === undefined || !isReady(launch.home)) {
    child.kill('SIGKILL');
    throw new ServerDidNotStart('PostgreSQL', failure ?? readFileSync(join(launch.home, 'server.log'), 'utf8'));
  }
  child.unref();
  return { child, pid: child.pid, port, exited };
};

const isBindFailure = (error: unknown): boolean => error instanceof ServerDidNotStart && /could not bind|could not create any TCP/.test(error.detail);

/** A free port may be gone before the server binds it, so a random one is drawn again. */
const launchServer = async (launch: Launch, wanted: number | undefined): Promise<Running> => {
  if (wanted !== undefined) {
    try {
      return await launchOnce(launch, await freePort(wanted));
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === 'EADDRINUSE' || isBindFailure(error) ? new PortTaken(wanted) : error;
    }
  }
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await launchOnce(launch, await freePort());
    } catch (error) {
      if (attempt >= portAttempts || !isBindFailure(error)) throw error;
    }
  }
};

/**
 * Starts PostgreSQL on a data directory, creating the cluster the first time. Loopback only, SCRAM passwords, no sockets in
 * the file system. Root runs it as `postgres` or `nobody`, since PostgreSQL refuses root. The server ends with the thread
 * that called this, even on kill -9 (setpriv, Linux); a server that was left over all the same is ended first.
 * @throws DataDirectoryInUse | DataDirectoryUnwritable | UnsupportedPlatform | PortTaken | ServerDidNotStart
 */
export const startEmbeddedPostgres = async (options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> => {
  const log = options.log ?? ((): void => undefined);
  const account = serverAccount();
  const home = prepareHome(options.dataDirectory, account, log);
  const unlock = lockDirectory(home);
  try {
    const binaries = reachableBinaries(account, home, log).directory;
    const password = await ensureCluster(home, binaries, account, options.template, log);
    await endOrphan(join(home, 'cluster'), log);
    const running = await launchServer({ home, binaries, account, settings: options.settings ?? {} }, options.port);
    let stopping: Promise<void> | undefined;
    return {
      url: (database = 'postgres') => `postgresql://${superuser}:${password}@127.0.0.1:${running.port}/${database}`,
      port: running.port,
      pid: running.pid,
      exited: running.exited,
      stop: () => (stopping ??= stopChild(running).finally(unlock)),
    };
  } catch (error) {
    unlock();
    throw error;
  }
};
