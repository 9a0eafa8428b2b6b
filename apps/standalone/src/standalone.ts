import { rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { RequestListener, Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setMaxListeners } from 'node:events';
import { bootstrapDatabase, createService, HTTP_LIMITS, loadConfig, refuseUnreadable } from '@exequatur/service-kit';
import type { RunningService } from '@exequatur/service-kit';
import { PortTaken, removePostgresData, startEmbeddedPostgres } from '@exequatur/local-servers';
import { createDatabase, DATABASE } from './database.js';
import { DEFINITIONS } from './definitions.js';
import { environmentOf, everyService } from './environment.js';
import { frontOf } from './front.js';
import type { Behind } from './front.js';
import type { StandaloneOptions } from './options.js';
import { isOwnMachine, PublicAddress } from './own-machine.js';
import { secretsOf } from './secrets.js';
import { examplePolicy, seedDemoTenant } from './seed.js';
import type { Credentials } from './seed.js';

export interface Standalone {
  readonly origin: string;
  readonly credentials: Credentials;
  readonly adminToken: string;
  /** Within 5 s; the database last. */
  stop(): Promise<void>;
}

const starting: RequestListener = (_, response) => response.writeHead(503, { 'retry-after': '1', 'content-type': 'application/problem+json' }).end('{"title":"Starting","status":503,"code":"DEPENDENCY_DOWN","retryable":true}');

/** The port is taken first: nothing else starts when it is not to be had. */
const listen = (server: Server, port: number, host: string): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(error.code === 'EADDRINUSE' ? new PortTaken(port) : error));
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });

const behind = (service: RunningService): Behind => ({
  name: service.name,
  handle: (request, response) => service.handle(request, response),
  ask: (path) => service.inject(path),
});

/** All five services in this process, on an embedded PostgreSQL and its transport, behind one port. */
export const startStandalone = async (options: StandaloneOptions, log: (line: string) => void): Promise<Standalone> => {
  setMaxListeners(50);
  if (options.allowPublic !== true && !isOwnMachine(options.host)) throw new PublicAddress(options.host);
  const postgresDirectory = join(options.dataDir, 'postgres');
  if (options.reset) {
    removePostgresData(postgresDirectory);
    for (const name of ['secrets', 'credentials.json', 'postgres']) rmSync(join(options.dataDir, name), { recursive: true, force: true });
  }
  let answer: RequestListener = starting;
  const server = createServer({ requestTimeout: HTTP_LIMITS.receiveMs, keepAliveTimeout: HTTP_LIMITS.keepAliveMs, maxHeaderSize: HTTP_LIMITS.headerBytes }, (request, response) => answer(request, response));
  server.on('clientError', refuseUnreadable);
  const undo: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    const port = await listen(server, options.port, options.host);
    undo.push(() => closed(server));
    const origin = `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`;
    const secrets = secretsOf(options.dataDir);
    log('Starting PostgreSQL …');
    const postgres = await startEmbeddedPostgres({ dataDirectory: postgresDirectory, log });
    undo.push(() => postgres.stop());
    await createDatabase(postgres.url());
    await bootstrapDatabase({ adminUrl: postgres.url(DATABASE), passwords: secrets.databasePasswords });
    const urls = everyService(() => origin);
    log('Starting policy, approvals, reservations, executor, audit …');
    const surroundings = { secrets, database: { host: '127.0.0.1', port: postgres.port, name: DATABASE }, transport: { kind: 'postgres' } as const, logLevel: options.logLevel, host: options.host, urls, ...(options.publicUrl === undefined ? {} : { publicUrl: options.publicUrl }) };
    const services: RunningService[] = [];
    undo.push(() => Promise.all(services.map((service) => service.close())));
    for (const { definition, Config } of DEFINITIONS) services.push(await createService(definition, loadConfig(Config, environmentOf(definition.name, surroundings))));
    answer = frontOf(services.map(behind));
    const credentials = await seedDemoTenant(options.dataDir, urls, secrets.adminToken, examplePolicy());
    return { origin, credentials, adminToken: secrets.adminToken, stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

const closed = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), 1_000).unref();
  });
