import { readFileSync } from 'node:fs';
import { originHeaders, importSigningKey } from '@exequatur/audit-chain';
import { EVENT_TOPICS } from '@exequatur/contracts';
import type { EventDefinition, Proposal, ServiceName, StreamId } from '@exequatur/contracts';
import { InMemoryEventStore } from '@exequatur/event-store';
import type { NewEvent } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import { postgresTransport } from '@exequatur/messaging';
import { bootstrapDatabase, createService, Database, loadConfig, newInstallationSecrets, ServiceConfig } from '@exequatur/service-kit';
import type { RunningService } from '@exequatur/service-kit';
import { askAgain, PATIENCE_MS } from '@exequatur/testing';
import pg from 'pg';
import { policyService } from '../policy-service.js';

export interface Reply<T = Record<string, unknown>> {
  readonly status: number;
  readonly body: T;
  /** as received */
  readonly text: string;
  readonly headers: Headers;
}

export interface PolicyBed {
  readonly service: RunningService;
  readonly database: Database;
  readonly origin: string;
  readonly root: string;
  post<T = Record<string, unknown>>(path: string, body: unknown, credential: string, headers?: Record<string, string>): Promise<Reply<T>>;
  get<T = Record<string, unknown>>(path: string, credential: string): Promise<Reply<T>>;
  /** A tenant with an agent and, unless told otherwise, the shipped example policy. */
  tenant(name: string, policy?: string | null): Promise<{ readonly agent: string }>;
  /** Publishes a fact of another service, signed with its key, as its relay would. */
  publishAs(service: ServiceName, stream: StreamId, event: Omit<NewEvent, 'actor' | 'definition'> & { definition: EventDefinition }): Promise<void>;
  /** All there is on a topic of the bus. */
  topic(name: string): Promise<readonly { readonly value: Buffer; readonly headers: Record<string, string> }[]>;
  close(): Promise<void>;
}

export const examplePolicy = readFileSync(new URL('../../policies/outreach.yaml', import.meta.url), 'utf8');

/** The policy service on a database of its own, called as its users call it. */
export const startPolicyBed = async (adminUrl: string, environment: Readonly<Record<string, string>> = {}): Promise<PolicyBed> => {
  const secrets = newInstallationSecrets();
  await bootstrapDatabase({ adminUrl, passwords: secrets.databasePasswords });
  const urlOf = (service: ServiceName): string => {
    const url = new URL(adminUrl);
    url.username = `exequatur_${service}`;
    url.password = secrets.databasePasswords[service];
    return url.toString();
  };
  const config = loadConfig(ServiceConfig, {
    DATABASE_URL: urlOf('policy'),
    EXEQUATUR_SIGNING_KEY: secrets.signingKeys.policy,
    EXEQUATUR_TRUSTED_KEYS: secrets.trustedKeys,
    EXEQUATUR_KEK: secrets.keyEncryptionKey,
    EXEQUATUR_ADMIN_TOKEN_HASH: secrets.adminTokenHash,
    LOG_LEVEL: process.env['SPEC_LOG_LEVEL'] ?? 'silent',
    ...environment,
  });
  const service = await createService(policyService.definition, config);
  const origin = await service.listen();
  const root = secrets.adminToken;

  /** Sent again as it is while the answer is "later". */
  const call = <T>(method: string, path: string, credential: string, body?: unknown, headers: Record<string, string> = {}): Promise<Reply<T>> => askAgain(() => callOnce<T>(method, path, credential, body, headers));
  const callOnce = async <T>(method: string, path: string, credential: string, body: unknown, headers: Record<string, string>): Promise<Reply<T>> => {
    const payload = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const response = await fetch(`${origin}${path}`, { method, headers: { authorization: `Bearer ${credential}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers }, ...payload });
    const text = await response.text();
    return { status: response.status, body: JSON.parse(text) as T, text, headers: response.headers };
  };
  const post = <T>(path: string, body: unknown, credential: string, headers: Record<string, string> = {}): Promise<Reply<T>> => call<T>('POST', path, credential, body, { 'idempotency-key': newId(), ...headers });
  const must = async <T>(path: string, body: unknown): Promise<T> => {
    const reply = await post<T>(path, body, root);
    if (reply.status >= 300) throw new Error(`${path}: ${reply.text}`);
    return reply.body;
  };

  const stores = new Map<ServiceName, InMemoryEventStore>();
  const storeOf = (name: ServiceName): InMemoryEventStore => {
    const store = stores.get(name) ?? new InMemoryEventStore({ service: name, signingKey: importSigningKey(JSON.parse(secrets.signingKeys[name])) });
    stores.set(name, store);
    return store;
  };

  return {
    service,
    database: service.app.get(Database),
    origin,
    root,
    post,
    get: (path, credential) => call('GET', path, credential),
    tenant: async (tenant, policy = examplePolicy) => {
      await must('/v1/tenants', { tenant, display_name: tenant });
      await must('/v1/agents', { tenant, agent: 'outreach-agent', display_name: 'Outreach', owner: 'oscar', scope_prefix: `tenant:${tenant}/workspace:sales` });
      const { key } = await must<{ key: string }>('/v1/agents/outreach-agent/keys', { tenant });
      if (policy !== null) await must('/v1/policies', { tenant, source: policy, reason: 'first' });
      return { agent: key };
    },
    publishAs: async (name, stream, event) => {
      const store = storeOf(name);
      const [recorded] = await store.transact({ streams: [stream] }, async (tx) => {
        const version = (await store.load(tx, stream)).length;
        return store.append(tx, [{ stream, expectedVersion: version, events: [{ ...event, actor: { type: 'service', id: name } }] }]);
      });
      if (recorded === undefined) throw new Error('nothing was recorded');
      const transport = postgresTransport({ connectionString: urlOf(name), service: name });
      await transport.publisher.publish(EVENT_TOPICS[event.definition.context].name, [{ key: recorded.envelope.partitionkey, value: recorded.bytes, headers: { ...originHeaders(recorded) } }]);
      await transport.close();
    },
    topic: async (name) => {
      const client = new pg.Client({ connectionString: adminUrl });
      await client.connect();
      try {
        return (await client.query<{ value: Buffer; headers: Record<string, string> }>('SELECT value, headers FROM bus.message WHERE topic = $1', [name])).rows;
      } finally {
        await client.end();
      }
    },
    close: () => service.close(),
  };
};

/** What the outreach agent of a tenant asks; `research.search` where nothing else is said. */
export const proposalOf = (tenant: string, change: Partial<Proposal> = {}): Proposal => ({
  scope_path: `tenant:${tenant}/workspace:sales/app:outreach`,
  run_id: 'run-1',
  action_kind: 'research.search',
  tool: { name: 'web.search', version: '1.0' },
  arguments: { query: 'customers in Vienna' },
  execution_mode: 'self',
  ...change,
});

export const mailTo = (tenant: string, to: string, change: Partial<Proposal> = {}): Proposal =>
  proposalOf(tenant, { action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, arguments: { to, subject: 'Hello', text: 'We met in Vienna' }, execution_mode: 'managed', ...change });

/** Looks until it holds: what another service said arrives by the bus. */
export const eventually = async <T>(look: () => Promise<T>, holds: (value: T) => boolean, withinMs = PATIENCE_MS): Promise<T> => {
  const until = Date.now() + withinMs;
  for (;;) {
    const value = await look();
    if (holds(value)) return value;
    if (Date.now() > until) throw new Error(`it did not come to hold: ${JSON.stringify(value)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};
