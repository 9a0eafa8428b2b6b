import { chmodSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { SERVICES } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import { startEmbeddedPostgres } from '@exequatur/local-servers';
import type { EmbeddedPostgres } from '@exequatur/local-servers';
import { bootstrapDatabase } from '@exequatur/service-kit';
import { environmentOf, everyService, secretsOf } from '@exequatur/standalone';
import { startTestKafka } from '@exequatur/testing';
import { freePort } from '../../e2e/free-port.js';
import type { LogSource } from './exported-log.js';
import type { Rows } from './ledger.js';
import { ServiceProcess } from './service-process.js';

const DATABASE = 'exequatur';
const root = join(import.meta.dirname, '..', '..', '..');

export interface InstallationOptions {
  readonly transport: 'postgres' | 'kafka';
  /** processes of reservations on the one database; 1 when left out */
  readonly instances?: number;
  /** further environment of a service's process, as for libfaketime */
  readonly environment?: (service: ServiceName) => Readonly<Record<string, string>>;
  /** Where the executor finds reservations, when not at its door: a proxy. */
  readonly reservationsFor?: (url: string) => Promise<string>;
  /** PostgreSQL keeps its data here; a directory of its own when left out */
  readonly postgresDirectory?: string;
  readonly postgresSettings?: Readonly<Record<string, string>>;
}

/** Exequatur as processes over a real PostgreSQL (fsync on) and the chosen transport, each of which a scenario can do harm to. */
export class Installation {
  private constructor(
    readonly dataDir: string,
    readonly adminToken: string,
    readonly urls: Readonly<Record<ServiceName, string>>,
    /** those of reservations after the first one have only their origin in common use */
    readonly processes: readonly ServiceProcess[],
    readonly trustedKeys: LogSource['trustedKeys'],
    readonly postgres: RestartablePostgres,
    /** of Kafka, where that is the transport */
    readonly brokers: readonly string[],
    private readonly undo: (() => Promise<unknown>)[],
  ) {}

  static async start(options: InstallationOptions): Promise<Installation> {
    const undo: (() => Promise<unknown>)[] = [];
    try {
      return await Installation.on(options, undo);
    } catch (error) {
      for (const step of undo.reverse()) await step().catch(() => undefined);
      throw error;
    }
  }

  private static async on(options: InstallationOptions, undo: (() => Promise<unknown>)[]): Promise<Installation> {
    const dataDir = mkdtempSync(join(tmpdir(), `exequatur-faults-${process.pid}-`));
    chmodSync(dataDir, 0o711);
    undo.push(() => Promise.resolve(rmSync(dataDir, { recursive: true, force: true, maxRetries: 3 })));
    const secrets = secretsOf(dataDir);
    const postgres = await RestartablePostgres.start(options.postgresDirectory ?? join(dataDir, 'postgres'), options.postgresSettings);
    undo.push(() => postgres.stop());
    await postgres.prepare(secrets.databasePasswords);
    const transport = options.transport === 'postgres' ? ({ kind: 'postgres' } as const) : ({ kind: 'kafka', brokers: await Installation.kafka(undo) } as const);
    const urls = await originsOf(SERVICES.length);
    const byService = everyService((service) => urls[SERVICES.indexOf(service)] ?? '');
    const forExecutor = (await options.reservationsFor?.(byService.reservations)) ?? byService.reservations;
    const processOf = (service: ServiceName, url: string): ServiceProcess => {
      const known = { ...byService, [service]: url, ...(service === 'executor' ? { reservations: forExecutor } : {}) };
      const environment = environmentOf(service, { secrets, database: { host: '127.0.0.1', port: postgres.port, name: DATABASE }, transport, logLevel: process.env['EXEQUATUR_FAULTS_LOG'] ?? 'fatal', host: '127.0.0.1', urls: known });
      return new ServiceProcess(service, url, { ...environment, ...options.environment?.(service) });
    };
    const processes = SERVICES.map((service) => processOf(service, byService[service]));
    undo.push(() => Promise.all(processes.map((each) => each.stop())));
    await Promise.all(processes.map((each) => each.ready()));
    const further = (await originsOf((options.instances ?? 1) - 1)).map((url) => processOf('reservations', url));
    processes.push(...further);
    await Promise.all(further.map((each) => each.ready()));
    const trustedKeys = { trustedKeys: JSON.parse(readFileSync(secrets.trustedKeysFile, 'utf8')) as NonNullable<LogSource['trustedKeys']['trustedKeys']> };
    return new Installation(dataDir, secrets.adminToken, byService, processes, trustedKeys, postgres, transport.kind === 'kafka' ? transport.brokers.split(',') : [], undo);
  }

  private static async kafka(undo: (() => Promise<unknown>)[]): Promise<string> {
    const kafka = await startTestKafka();
    undo.push(() => kafka.stop());
    return kafka.brokers;
  }

  /** Every process of a service; reservations may have several. */
  of(service: ServiceName): readonly ServiceProcess[] {
    return this.processes.filter((each) => each.service === service);
  }

  /** A statement as the superuser, over all schemas. */
  readonly rows: Rows = (sql, values) => this.postgres.rows(sql, values);

  async stop(): Promise<void> {
    for (const step of this.undo.splice(0).reverse()) await step();
  }
}

const originsOf = async (howMany: number): Promise<string[]> => {
  const urls: string[] = [];
  while (urls.length < howMany) {
    const url = `http://127.0.0.1:${await freePort()}`;
    if (!urls.includes(url)) urls.push(url);
  }
  return urls;
};

/** PostgreSQL that comes back on its port and its data, as a machine's own would. */
export class RestartablePostgres {
  private pool: pg.Pool | undefined;

  private constructor(
    private readonly directory: string,
    private readonly settings: Readonly<Record<string, string>>,
    private server: EmbeddedPostgres,
  ) {}

  static async start(directory: string, settings: Readonly<Record<string, string>> = {}): Promise<RestartablePostgres> {
    return new RestartablePostgres(directory, settings, await launch(directory, settings));
  }

  get port(): number {
    return this.server.port;
  }

  get pid(): number {
    return this.server.pid;
  }

  /** Resolves when the server that runs now has ended. */
  get exited(): Promise<unknown> {
    return this.server.exited;
  }

  /** Database, roles and schemas. */
  async prepare(passwords: Readonly<Record<ServiceName, string>>): Promise<void> {
    const client = new pg.Client({ connectionString: this.server.url() });
    await client.connect();
    await client.query(`CREATE DATABASE ${DATABASE}`);
    await client.end();
    await bootstrapDatabase({ adminUrl: this.server.url(DATABASE), passwords });
  }

  /** A statement as the superuser, over all schemas. */
  async rows<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<R[]> {
    return (await this.connections().query<R>(sql, values)).rows;
  }

  /** A connection of its own, for a transaction that a scenario keeps open. The caller releases it. */
  connect(): Promise<pg.PoolClient> {
    return this.connections().connect();
  }

  /** Once the server is gone, whatever ended it: again on the same port and data. */
  async again(): Promise<void> {
    await this.server.exited;
    await this.server.stop();
    this.server = await launch(this.directory, this.settings, this.server.port);
  }

  async stop(): Promise<void> {
    await this.pool?.end();
    await this.server.stop();
  }

  private connections(): pg.Pool {
    if (this.pool === undefined) {
      this.pool = new pg.Pool({ connectionString: this.server.url(DATABASE), max: 4 });
      this.pool.on('error', () => undefined);
    }
    return this.pool;
  }
}

const launch = (dataDirectory: string, settings: Readonly<Record<string, string>>, port?: number): Promise<EmbeddedPostgres> =>
  startEmbeddedPostgres({ dataDirectory, settings: { shared_buffers: '64MB', ...settings }, template: join(root, '.cache', `postgres-template-${process.getuid?.() ?? 0}`), ...(port === undefined ? {} : { port }) });
