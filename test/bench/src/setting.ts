import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { NODE_OPTIONS, startServices } from '@exequatur/standalone';
import { seedBench } from './bench-tenant.js';
import type { BenchTenant } from './bench-tenant.js';
import { wireTo } from './http.js';
import type { Wire } from './http.js';
import { freePort, untilReady } from './service-host.js';

/** A server process of its own, with fsync and synchronous_commit on, and what the runs need in it. */
export interface Setting extends BenchTenant {
  /** Waits until every consumer has caught up, so that a run does not pay for the events of the one before. */
  atRest(): Promise<void>;
  stop(): Promise<void>;
}

/** In one process, as `npm start`, or in five over the PostgreSQL transport, as `npm run services` with another transport. */
export type Topology = 'one-process' | 'services';

interface Server {
  readonly urls: readonly string[];
  readonly urlOf: (path: string) => string;
  stop(): Promise<void>;
}

const startServer = async (topology: Topology, dataDir: string): Promise<Server> => {
  if (topology === 'services') {
    const { urls, stop } = await startServices({ dataDir, logLevel: 'error', log: () => undefined, transport: 'postgres' });
    return { urls: Object.values(urls), urlOf: (path) => (/^\/v1\/(reservations|budgets)/.test(path) ? urls.reservations : urls.policy), stop };
  }
  const port = await freePort();
  const origin = `http://127.0.0.1:${port}`;
  const child = spawn(process.execPath, [...NODE_OPTIONS.split(' '), ...(process.env['EXEQUATUR_BENCH_NODE_OPTIONS'] ?? '').split(' ').filter((option) => option !== ''), fileURLToPath(new URL('../../../apps/standalone/dist/main.js', import.meta.url)), '--port', String(port), '--data-dir', dataDir, '--log-level', 'error'], { stdio: ['ignore', 'ignore', 'inherit'] });
  await untilReady(origin, child);
  const stop = async (): Promise<void> => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGINT');
    await ended;
  };
  return { urls: [origin], urlOf: () => origin, stop };
};

export const startSetting = async (topology: Topology, connections: number): Promise<Setting> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'exequatur-bench-'));
  // PostgreSQL refuses root; the account it then runs as must be able to pass.
  chmodSync(dataDir, 0o711);
  const server = await startServer(topology, dataDir);
  const adminToken = readFileSync(join(dataDir, 'secrets', 'admin-token'), 'utf8');
  const wires = new Map(server.urls.map((url) => [url, wireTo(url, connections)]));
  const wire: Wire = {
    post: (path, body, credential, key) => {
      const to = wires.get(server.urlOf(path));
      if (to === undefined) throw new Error(`nobody serves ${path}`);
      return to.post(path, body, credential, key);
    },
    close: async () => {
      for (const each of wires.values()) await each.close();
    },
  };
  const postgresPort = readFileSync(join(dataDir, 'postgres', 'cluster', 'postmaster.pid'), 'utf8').split('\n')[3] ?? '';
  const password = readFileSync(join(dataDir, 'secrets', 'reservations.database-password'), 'utf8');
  return {
    ...(await seedBench(wire, adminToken, `postgres://exequatur_reservations:${password}@127.0.0.1:${postgresPort}/exequatur`)),
    atRest: () => untilAtRest(server.urls),
    stop: async () => {
      await wire.close();
      await server.stop();
      rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
};

const REST_WITHIN_MS = 120_000;

const untilAtRest = async (urls: readonly string[]): Promise<void> => {
  const deadline = Date.now() + REST_WITHIN_MS;
  for (let quiet = 0; quiet < 3; ) {
    const metrics = (await Promise.all(urls.map(async (url) => (await fetch(`${url}/metrics`)).text()))).join('\n');
    const behind = [...metrics.matchAll(/^exequatur_(?:consumer|relay|audit_log)_lag\w*(?:\{[^}]*\})? (\d+)$/gm)].reduce((sum, [, lag]) => sum + Number(lag), 0);
    quiet = behind === 0 ? quiet + 1 : 0;
    if (Date.now() > deadline) throw new Error(`the consumers are still ${behind} behind`);
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
};
