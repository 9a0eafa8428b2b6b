import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk, TrustedKeys, WitnessKey } from '@exequatur/audit-chain';
import { AgentKeyIssued, AgentRegistered, PersonLinked, streamKey, TenantCreated } from '@exequatur/contracts';
import type { EventDefinition, ServiceName, StreamId } from '@exequatur/contracts';
import { verifyExport } from '@exequatur/audit-verify';
import type { Report } from '@exequatur/audit-verify';
import { eventStoreDdl, PgEventStore, startRelay } from '@exequatur/event-store';
import type { Actor, NewEvent, Relay } from '@exequatur/event-store';
import { newId, sha256Text } from '@exequatur/kernel';
import { postgresTransport } from '@exequatur/messaging';
import type { Transport } from '@exequatur/messaging';
import { bootstrapDatabase, createService, loadConfig, newInstallationSecrets } from '@exequatur/service-kit';
import type { InstallationSecrets, RunningService } from '@exequatur/service-kit';
import { PATIENCE_MS, sourceLoader, startTestPostgres } from '@exequatur/testing';
import type { TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { auditService } from '../index.js';

const SYSTEM: Actor = { type: 'system', id: 'root' };
const sha = (text: string): string => sha256Text(Buffer.from(text));

async function* linesOf(text: string): AsyncGenerator<string> {
  yield* text.trimEnd().split('\n');
  await Promise.resolve();
}

/** Another service as the projector knows it: somebody who appends signed events in its own schema and relays them. */
class Neighbour {
  private constructor(
    readonly store: PgEventStore,
    readonly transport: Transport,
    private readonly pool: pg.Pool,
    private readonly relay: Relay,
  ) {}

  static async start(service: ServiceName, url: string, key: PrivateJwk): Promise<Neighbour> {
    const pool = new pg.Pool({ connectionString: url, max: 3, pipeline: true, options: `-c search_path=${service}` });
    pool.on('error', () => undefined);
    await pool.query(eventStoreDdl());
    const store = new PgEventStore({ pool, service, signingKey: importSigningKey(key) });
    const transport = postgresTransport({ connectionString: url, service });
    return new Neighbour(store, transport, pool, startRelay({ pool, store, publisher: transport.publisher, pollMs: 20 }));
  }

  async publish(stream: StreamId, ...events: readonly NewEvent[]): Promise<readonly string[]> {
    return this.store.transact({ streams: [stream] }, async (tx) => {
      const versions = await this.store.versions(tx, [stream]);
      const recorded = await this.store.append(tx, [{ stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events }]);
      return recorded.map(({ envelope }) => envelope.id);
    });
  }

  /** A connection as its role, for the key store. */
  get sql(): pg.Pool {
    return this.pool;
  }

  async stop(): Promise<void> {
    await this.relay.stop();
    await this.transport.close();
    await this.pool.end();
  }
}

export interface Answered<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
  readonly text: string;
}

/** The projector on a real database and bus, its four neighbours, and two tenants with their people. */
export class Installation {
  origin = '';
  private children: ChildProcess[] = [];
  service: RunningService | undefined;

  private constructor(
    private readonly postgres: TestPostgres,
    readonly secrets: InstallationSecrets,
    private readonly environment: Readonly<Record<string, string>>,
    readonly pool: pg.Pool,
    readonly neighbours: Readonly<Record<'policy' | 'approvals' | 'reservations' | 'executor', Neighbour>>,
  ) {}

  static async start(): Promise<Installation> {
    const postgres = await startTestPostgres();
    const { url: adminUrl } = await postgres.createDatabase();
    const secrets = newInstallationSecrets();
    await bootstrapDatabase({ adminUrl, passwords: secrets.databasePasswords });
    const urlOf = (service: ServiceName): string => {
      const url = new URL(adminUrl);
      url.username = `exequatur_${service}`;
      url.password = secrets.databasePasswords[service];
      return url.toString();
    };
    const neighbour = (service: ServiceName): Promise<Neighbour> => Neighbour.start(service, urlOf(service), JSON.parse(secrets.signingKeys[service]) as PrivateJwk);
    const neighbours = { policy: await neighbour('policy'), approvals: await neighbour('approvals'), reservations: await neighbour('reservations'), executor: await neighbour('executor') };
    const environment = {
      DATABASE_URL: urlOf('audit'),
      EXEQUATUR_SIGNING_KEY: secrets.signingKeys.audit,
      EXEQUATUR_TRUSTED_KEYS: secrets.trustedKeys,
      EXEQUATUR_KEK: secrets.keyEncryptionKey,
      EXEQUATUR_ADMIN_TOKEN_HASH: sha('root-token'),
      LOG_LEVEL: process.env['EXEQUATUR_TEST_LOG_LEVEL'] ?? 'silent',
    };
    const pool = new pg.Pool({ connectionString: urlOf('audit'), max: 4, options: '-c search_path=audit' });
    pool.on('error', () => undefined);
    return new Installation(postgres, secrets, environment, pool, neighbours);
  }

  /** The service in this process, with acme and its people. */
  static async running(): Promise<Installation> {
    const world = await Installation.start();
    await world.startService();
    await world.populate('acme');
    await world.auditorKnown();
    return world;
  }

  get trustedKeys(): TrustedKeys {
    return JSON.parse(this.secrets.trustedKeys) as TrustedKeys;
  }

  /** In this process. */
  async startService(more: Readonly<Record<string, string>> = {}): Promise<RunningService> {
    const service = await createService(auditService.definition, loadConfig(auditService.Config, { ...this.environment, ...more }));
    this.service = service;
    this.origin = await service.listen();
    return service;
  }

  /** In a process of its own, to be killed. Resolves once it runs. */
  async startChild(): Promise<ChildProcess> {
    const child = this.fork('../main.ts');
    await new Promise<void>((resolve, reject) => {
      child.stdout?.on('data', (chunk: Buffer) => chunk.includes('listens on') && resolve());
      child.once('exit', (code) => reject(new Error(`the projector ended with ${code}`)));
    });
    return child;
  }

  /** The rebuild command, to its end. */
  async rebuild(): Promise<{ readonly code: number | null; readonly output: string }> {
    const child = this.fork('../rebuild.ts');
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    const code = await new Promise<number | null>((resolve) => child.once('close', resolve));
    return { code, output };
  }

  /** One of this app's programs, from its sources. */
  private fork(program: string): ChildProcess {
    const file = fileURLToPath(new URL(program, import.meta.url));
    const child = fork(file, [], { execArgv: ['--no-warnings', '--import', sourceLoader], stdio: ['ignore', 'pipe', 'inherit', 'ipc'], env: { ...process.env, ...this.environment } });
    this.children.push(child);
    return child;
  }

  async stop(): Promise<void> {
    for (const child of this.children) child.kill('SIGKILL');
    await this.pool.end();
    await this.service?.close();
    await Promise.all(Object.values(this.neighbours).map((neighbour) => neighbour.stop()));
    await this.postgres.stop();
  }

  readonly personToken = (person: string, tenant = 'acme'): string => `exq_person_${tenant}_${person}`;
  readonly agentToken = (agent: string, tenant = 'acme'): string => `exq_agent_${tenant}_${agent}`;

  async populate(tenant: string): Promise<void> {
    const { policy } = this.neighbours;
    const actor = SYSTEM;
    await policy.publish({ tenant, aggregate: 'tenant', id: tenant }, { definition: TenantCreated, data: { tenant, display_name: tenant }, actor });
    for (const agent of ['outreach-agent', 'other-agent']) {
      await policy.publish(
        { tenant, aggregate: 'agent', id: agent },
        { definition: AgentRegistered, data: { agent, display_name: agent, owner: 'olga', scope_prefix: `tenant:${tenant}` }, actor },
        { definition: AgentKeyIssued, data: { agent, key_id: 'k1', key_hash: sha(this.agentToken(agent, tenant)) }, actor },
      );
    }
    for (const person of ['auditor', 'operator', 'approver']) {
      await policy.publish({ tenant, aggregate: 'person', id: person }, { definition: PersonLinked, data: { person, subject: `dev#${tenant}-${person}`, roles: [person], token_hash: sha(this.personToken(person, tenant)) }, actor });
    }
  }

  /** Of the tenant that was populated first. */
  auditorKnown(): Promise<void> {
    return this.until('the auditor is known', async () => (await this.rows("SELECT FROM directory_person WHERE person = 'auditor'")).length >= 1);
  }

  /** The whole log of acme, JSON Lines, as its auditor takes it out. */
  async exported(): Promise<string> {
    return (await this.call('POST', '/v1/exports', this.personToken('auditor'), { body: {} })).text;
  }

  /** An export that can be judged to its end: of a log in motion, one may show what is open and nothing wrong; then another is taken. */
  async judged(): Promise<{ readonly text: string; readonly report: Report }> {
    for (const deadline = performance.now() + PATIENCE_MS; ; await delay(100)) {
      const text = await this.exported();
      const report = await this.verified(text);
      if (report.result !== 'incomplete' || performance.now() > deadline) return { text, report };
    }
  }

  verified(text: string, witnesses: readonly WitnessKey[] = []): Promise<Report> {
    return verifyExport(linesOf(text), { trustedKeys: this.trustedKeys, witnesses });
  }

  /** One event of an action. */
  emit<D>(service: keyof Installation['neighbours'], tenant: string, id: string, definition: EventDefinition<string, D>, data: D, actionId: string): Promise<readonly string[]> {
    return this.neighbours[service].publish({ tenant, aggregate: definition.aggregate, id }, { definition, data, actor: { type: 'service', id: service }, correlationId: actionId });
  }

  /** Asked again, with its key, while the answer is "later": a loaded machine may have no database in time. */
  async call<T = Record<string, unknown>>(method: 'GET' | 'POST', path: string, token?: string, { body, key = newId() }: { readonly body?: unknown; readonly key?: string } = {}): Promise<Answered<T>> {
    for (const deadline = performance.now() + PATIENCE_MS; ; await delay(50)) {
      const answered = await this.callOnce<T>(method, path, token, { body, key });
      if (![429, 503].includes(answered.status) || performance.now() > deadline) return answered;
    }
  }

  private async callOnce<T>(method: 'GET' | 'POST', path: string, token: string | undefined, { body, key }: { readonly body: unknown; readonly key: string }): Promise<Answered<T>> {
    const answer = await fetch(`${this.origin}${path}`, {
      method,
      headers: { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...(method === 'POST' ? { 'idempotency-key': key, 'content-type': 'application/json' } : {}) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = (answer.headers.get('content-type') ?? '').includes('json') && !(answer.headers.get('content-type') ?? '').includes('ndjson');
    return { status: answer.status, text, body: (isJson ? JSON.parse(text) : {}) as T };
  }

  async rows<R extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<R[]> {
    return (await this.pool.query<R>(text, values)).rows;
  }

  /** Leaves of a tenant's log. */
  async size(tenant: string): Promise<number> {
    return Number((await this.rows<{ size: string }>('SELECT size::text FROM log WHERE tenant = $1', [tenant]))[0]?.size ?? 0);
  }

  async until(what: string, holds: () => Promise<boolean>, ms = PATIENCE_MS): Promise<void> {
    const deadline = performance.now() + ms;
    while (!(await holds().catch(() => false))) {
      if (performance.now() > deadline) throw new Error(`waited in vain until ${what}`);
      await delay(25);
    }
  }
}
