import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { SERVICES } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import { startEmbeddedPostgres, startLocalKafka } from '@exequatur/local-servers';
import { bootstrapDatabase } from '@exequatur/service-kit';
import { createDatabase, DATABASE } from './database.js';
import { environmentOf, everyService } from './environment.js';
import type { Surroundings } from './environment.js';
import { secretsOf } from './secrets.js';
import { examplePolicy, seedDemoTenant } from './seed.js';
import type { Credentials } from './seed.js';

export interface ServicesOptions {
  readonly dataDir: string;
  /** `host:port,…` of a Kafka; a local one is started when absent */
  readonly brokers?: string;
  /** superuser's connection string of a PostgreSQL; an embedded one is started when absent */
  readonly adminUrl?: string;
  readonly logLevel: string;
  readonly log: (line: string) => void;
  /** Fault tests use the PostgreSQL transport in five processes too. */
  readonly transport?: 'postgres' | 'kafka';
}

export interface Services {
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly credentials: Credentials;
  readonly adminToken: string;
  /** process id of a running service, undefined between a crash and its restart */
  pid(service: ServiceName): number | undefined;
  /** kill -9; it is started again like after any crash */
  kill(service: ServiceName): void;
  stop(): Promise<void>;
}

/** A batch lives longer than a young generation of the default size: what is collected early need not be copied. */
export const NODE_OPTIONS = '--max-semi-space-size=32';
const RESTART_AFTER_MS = 250;
const READY_WITHIN_MS = 60_000;
const APP_FOLDER: Readonly<Record<ServiceName, string>> = { policy: 'policy', approvals: 'approvals', reservations: 'reservations', executor: 'executor', audit: 'audit-projector' };
const entryOf = (service: ServiceName): string => fileURLToPath(new URL(`../../${APP_FOLDER[service]}/dist/main.js`, import.meta.url));

/** The five services as processes of their own. What DATABASE_URL and KAFKA_BROKERS do not name is started here. */
export const startServices = async (options: ServicesOptions): Promise<Services> => {
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const secrets = secretsOf(options.dataDir);
    const adminUrl = options.adminUrl ?? (await embeddedPostgres(options, undo));
    await createDatabase(adminUrl);
    const database = new URL(adminUrl);
    database.pathname = `/${DATABASE}`;
    await bootstrapDatabase({ adminUrl: database.href, passwords: secrets.databasePasswords });
    const transport = options.transport === 'postgres' ? ({ kind: 'postgres' } as const) : ({ kind: 'kafka', brokers: options.brokers ?? (await localKafka(options, undo)) } as const);
    const ports = await freePorts(SERVICES.length);
    const urls = everyService((service) => `http://127.0.0.1:${ports[SERVICES.indexOf(service)]}`);
    const surroundings: Surroundings = { secrets, database: { host: database.hostname, port: Number(database.port || 5_432), name: DATABASE }, transport, logLevel: options.logLevel, host: '127.0.0.1', urls };
    const processes = everyService((service) => keepRunning(service, environmentOf(service, surroundings), options.log));
    undo.push(() => Promise.all(Object.values(processes).map((each) => each.stop())));
    options.log('Starting policy, approvals, reservations, executor, audit …');
    await Promise.all(SERVICES.map((service) => untilReady(service, urls[service])));
    const credentials = await seedDemoTenant(options.dataDir, urls, secrets.adminToken, examplePolicy());
    return { urls, credentials, adminToken: secrets.adminToken, pid: (service) => processes[service].pid(), kill: (service) => processes[service].kill(), stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

type Undo = (() => Promise<unknown>)[];

const embeddedPostgres = async (options: ServicesOptions, undo: Undo): Promise<string> => {
  options.log('Starting PostgreSQL …');
  const postgres = await startEmbeddedPostgres({ dataDirectory: join(options.dataDir, 'postgres'), log: options.log });
  undo.push(() => postgres.stop());
  return postgres.url();
};

const localKafka = async (options: ServicesOptions, undo: Undo): Promise<string> => {
  options.log('Starting Kafka …');
  const kafka = await startLocalKafka({ directory: join(options.dataDir, 'kafka'), log: options.log });
  undo.push(() => kafka.stop());
  return kafka.brokers;
};

/** Ports held open together, so that no two are the same, then let go. */
const freePorts = async (howMany: number): Promise<number[]> => {
  const servers = await Promise.all(
    Array.from({ length: howMany }, () => new Promise<ReturnType<typeof createServer>>((resolve) => {
      const server = createServer();
      server.listen(0, '127.0.0.1', () => resolve(server));
    })),
  );
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
};

interface KeptProcess {
  pid(): number | undefined;
  kill(): void;
  stop(): Promise<void>;
}

/** Starts a service and starts it again whenever it ends by itself, as a supervisor in production would. */
const keepRunning = (service: ServiceName, environment: Record<string, string>, log: (line: string) => void): KeptProcess => {
  let child: ChildProcess | undefined;
  let stopping = false;
  const start = (): void => {
    // Standard output belongs to the program that starts them, which may print JSON there.
    const current = spawn(process.execPath, [entryOf(service)], { env: { PATH: process.env['PATH'], NODE_ENV: process.env['NODE_ENV'], NODE_OPTIONS, ...environment }, stdio: ['ignore', 2, 'inherit'] });
    child = current;
    current.once('exit', (code, signal) => {
      child = undefined;
      if (stopping) return;
      log(`${service} ended (${signal ?? code}); starting it again`);
      setTimeout(() => {
        if (!stopping) start();
      }, RESTART_AFTER_MS).unref();
    });
  };
  start();
  return {
    pid: () => child?.pid,
    kill: () => child?.kill('SIGKILL'),
    stop: async () => {
      stopping = true;
      const current = child;
      if (current === undefined) return;
      const ended = new Promise((resolve) => current.once('exit', resolve));
      current.kill('SIGTERM');
      const overdue = setTimeout(() => current.kill('SIGKILL'), 5_000);
      await ended;
      clearTimeout(overdue);
    },
  };
};

const untilReady = async (service: ServiceName, url: string): Promise<void> => {
  const deadline = Date.now() + READY_WITHIN_MS;
  for (;;) {
    const ready = await fetch(`${url}/readyz`).then((response) => response.ok, () => false);
    if (ready) return;
    if (Date.now() > deadline) throw new Error(`${service} was not ready within ${READY_WITHIN_MS / 1_000} s; its log above says why`);
    await delay(100);
  }
};
