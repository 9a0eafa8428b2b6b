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
import type { EmbeddedPostgres } from '@exequatur/local-servers';
import { bootstrapDatabase } from '@exequatur/service-kit';
import { createDatabase, DATABASE, databaseUrlOf, environmentOf, everyService, NODE_OPTIONS, secretsOf } from '@exequatur/standalone';

/** Flags of Node for the services, `--cpu-prof` for one; most of them may not stand in NODE_OPTIONS. */
const nodeOptions = process.env['EXEQUATUR_BENCH_NODE_OPTIONS']?.split(' ') ?? [];
const READY_WITHIN_MS = 60_000;
const FOLDER: Readonly<Record<ServiceName, string>> = { policy: 'policy', approvals: 'approvals', reservations: 'reservations', executor: 'executor', audit: 'audit-projector' };

export interface HostedService {
  readonly url: string;
  readonly child: ChildProcess;
}

/** PostgreSQL with fsync and synchronous_commit on, and whichever services a measurement needs, each a process. */
export class ServiceHost {
  private readonly children: ChildProcess[] = [];

  private constructor(
    private readonly dataDir: string,
    readonly secrets: ReturnType<typeof secretsOf>,
    readonly postgres: EmbeddedPostgres,
    private readonly place: { readonly host: string; readonly port: number; readonly name: string },
  ) {}

  static async start(): Promise<ServiceHost> {
    const dataDir = mkdtempSync(join(tmpdir(), 'exequatur-bench-'));
    // PostgreSQL refuses root; the account it then runs as must be able to pass.
    chmodSync(dataDir, 0o711);
    const secrets = secretsOf(dataDir);
    const postgres = await startEmbeddedPostgres({ dataDirectory: join(dataDir, 'postgres'), log: () => undefined });
    await createDatabase(postgres.url());
    const database = new URL(postgres.url());
    database.pathname = `/${DATABASE}`;
    await bootstrapDatabase({ adminUrl: database.href, passwords: secrets.databasePasswords });
    return new ServiceHost(dataDir, secrets, postgres, { host: database.hostname, port: Number(database.port || 5_432), name: DATABASE });
  }

  /** As the role of a service. */
  databaseUrl(service: ServiceName): string {
    return databaseUrlOf(service, this.secrets, this.place);
  }

  async service(name: ServiceName): Promise<HostedService> {
    const url = `http://127.0.0.1:${await freePort()}`;
    const child = this.spawned(name, 'main.js', url, 'ignore');
    await untilReady(url, child);
    return { url, child };
  }

  /** A command of a service's, to its end. @returns what it printed */
  async command(name: ServiceName, program: string): Promise<string> {
    const child = this.spawned(name, program, `http://127.0.0.1:${await freePort()}`, 'pipe');
    let printed = '';
    child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()));
    const code = await new Promise((resolve) => child.once('close', resolve));
    if (code !== 0) throw new Error(`${program} of ${name} ended with ${String(code)}: ${printed}`);
    return printed;
  }

  async end(child: ChildProcess): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await gone;
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.map((child) => this.end(child)));
    await this.postgres.stop();
    rmSync(this.dataDir, { recursive: true, force: true, maxRetries: 3 });
  }

  private spawned(name: ServiceName, program: string, url: string, stdout: 'ignore' | 'pipe'): ChildProcess {
    const environment = environmentOf(name, { secrets: this.secrets, database: this.place, transport: { kind: 'postgres' }, logLevel: 'error', host: '127.0.0.1', urls: everyService(() => url) });
    const child = spawn(process.execPath, [...nodeOptions, fileURLToPath(new URL(`../../../apps/${FOLDER[name]}/dist/${program}`, import.meta.url))], { env: { PATH: process.env['PATH'], NODE_OPTIONS, ...environment, REQUESTS_PER_SECOND: '1000000' }, stdio: ['ignore', stdout, 'inherit'] });
    this.children.push(child);
    return child;
  }
}

export const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });

export const untilReady = async (url: string, child: ChildProcess): Promise<void> => {
  const deadline = Date.now() + READY_WITHIN_MS;
  while (!(await fetch(`${url}/readyz`).then((response) => response.ok, () => false))) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    if (Date.now() > deadline) throw new Error('the server was not ready in 60 s');
    await delay(100);
  }
};
