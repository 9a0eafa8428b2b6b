import { createHash } from 'node:crypto';
import type { PrivateJwk, TrustedKeys } from '@exequatur/audit-chain';
import { ActionWithdrawn, AgentKeyIssued, AgentRegistered, ALL_TOPICS, ApprovalRequired, EligibilityChanged, PersonLinked, TenantCreated } from '@exequatur/contracts';
import type { SealedProposal, ServiceName } from '@exequatur/contracts';
import type { RequestFacts } from '@exequatur/approvals-domain';
import type { Actor } from '@exequatur/event-store';
import { canonicalText, newId, newSalt, saltedHash, sha256Text, toInstant } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { postgresTransport } from '@exequatur/messaging';
import { open, PgKeyStore, seal } from '@exequatur/sealing';
import { bootstrapDatabase, createService, loadConfig, newInstallationSecrets, Signer } from '@exequatur/service-kit';
import type { InstallationSecrets, RunningService } from '@exequatur/service-kit';
import { askAgain, PATIENCE_MS, startTestPostgres } from '@exequatur/testing';
import type { TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { approvalsService } from '../index.js';
import { Neighbour } from './neighbour.js';

const SYSTEM: Actor = { type: 'system', id: 'root' };
const SERVICE: Actor = { type: 'service', id: 'policy' };
const sha = (text: string): string => sha256Text(Buffer.from(text));

/** People of each tenant, with their roles. */
export const PEOPLE: Readonly<Record<string, readonly string[]>> = {
  fiona: ['approver', 'finance'],
  georg: ['finance'],
  lea: ['finance-lead'],
  olga: ['finance', 'operator'],
  pia: ['auditor'],
  carla: ['cfo'],
  erin: ['break-glass'],
  nobody: ['intern'],
};

export interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly bytes: string;
  readonly etag: string;
}

interface Sending {
  readonly body?: unknown;
  readonly ifMatch?: string;
  readonly key?: string;
}

/** What was asked for, as policy would have published it. */
export interface Asked {
  readonly request: RequestFacts;
  readonly args: JsonValue;
}

export interface AskOptions {
  readonly args?: JsonValue;
  readonly tenant?: string;
  readonly more?: Partial<RequestFacts>;
  readonly sealed?: Partial<Omit<SealedProposal, 'salt' | 'arguments'>>;
  readonly expiresInMs?: number;
  /** proposed amount in micro-cents, when it is not the 100.00 USD of the fixture */
  readonly amount?: string;
  /** false: does not wait until it stands in the queue */
  readonly expectOpen?: boolean;
}

/** The approvals service on a real database and bus, with policy as a signed neighbour, two tenants and their people. */
export class Installation {
  origin = '';

  private constructor(
    private readonly postgres: TestPostgres,
    readonly secrets: InstallationSecrets,
    readonly adminUrl: string,
    readonly pool: pg.Pool,
    readonly service: RunningService,
    readonly policy: Neighbour,
    readonly keys: PgKeyStore,
    /** what another process of approvals on the same database is started with */
    readonly environment: Readonly<Record<string, string>>,
  ) {}

  static async start(environment: Readonly<Record<string, string>> = {}): Promise<Installation> {
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
    const transport = postgresTransport({ connectionString: urlOf('policy'), service: 'policy' });
    await transport.ensureTopics(ALL_TOPICS);
    await transport.close();
    const policy = await Neighbour.start('policy', urlOf('policy'), JSON.parse(secrets.signingKeys.policy) as PrivateJwk);
    const own = {
      DATABASE_URL: urlOf('approvals'),
      EXEQUATUR_SIGNING_KEY: secrets.signingKeys.approvals,
      EXEQUATUR_TRUSTED_KEYS: secrets.trustedKeys,
      EXEQUATUR_KEK: secrets.keyEncryptionKey,
      EXEQUATUR_SESSION_SECRET: 's'.repeat(43),
      LOG_LEVEL: process.env['EXEQUATUR_TEST_LOG_LEVEL'] ?? 'silent',
      ...environment,
    };
    const service = await createService(approvalsService.definition, loadConfig(approvalsService.Config, own));
    const pool = new pg.Pool({ connectionString: urlOf('approvals'), max: 4, options: '-c search_path=approvals' });
    pool.on('error', () => undefined);
    const keys = new PgKeyStore({ sql: pool, keyEncryptionKey: Buffer.from(secrets.keyEncryptionKey, 'base64url') });
    const installation = new Installation(postgres, secrets, adminUrl, pool, service, policy, keys, own);
    installation.origin = await service.listen();
    for (const tenant of ['acme', 'globex']) await installation.populate(tenant);
    return installation;
  }

  async stop(): Promise<void> {
    await this.pool.end();
    await this.service.close();
    await this.policy.stop();
    await this.postgres.stop();
  }

  readonly agentToken = (tenant = 'acme'): string => `exq_agent_${tenant}_support-bot`;
  readonly personToken = (person: string, tenant = 'acme'): string => `exq_person_${tenant}_${person}`;

  signer(service: ServiceName): Signer {
    return new Signer(service, JSON.parse(this.secrets.signingKeys[service]) as PrivateJwk, JSON.parse(this.secrets.trustedKeys) as TrustedKeys);
  }

  private async populate(tenant: string): Promise<void> {
    const actor = SYSTEM;
    await this.policy.publish({ tenant, aggregate: 'tenant', id: tenant }, { definition: TenantCreated, data: { tenant, display_name: tenant }, actor });
    await this.policy.publish(
      { tenant, aggregate: 'agent', id: 'support-bot' },
      { definition: AgentRegistered, data: { agent: 'support-bot', display_name: 'Support', owner: 'olga', scope_prefix: `tenant:${tenant}` }, actor },
      { definition: AgentKeyIssued, data: { agent: 'support-bot', key_id: 'k1', key_hash: sha(this.agentToken(tenant)) }, actor },
    );
    for (const [person, roles] of Object.entries(PEOPLE)) {
      await this.policy.publish({ tenant, aggregate: 'person', id: person }, { definition: PersonLinked, data: { person, subject: `dev#${tenant}-${person}`, roles, token_hash: sha(this.personToken(person, tenant)) }, actor });
    }
    await this.until('the directory', async () => (await this.rows('SELECT FROM directory_person WHERE tenant = $1', [tenant])).length === Object.keys(PEOPLE).length);
  }

  /** Publishes ApprovalRequired, sealed as policy seals it; resolves when the request stands in the queue. */
  async ask({ args = { account: 'acct_42', amount: '100.00', note: 'broken on arrival' }, tenant = 'acme', more = {}, sealed = {}, expiresInMs = 3_600_000, amount = '10000000000', expectOpen = true }: AskOptions = {}): Promise<Asked> {
    const salt = newSalt();
    const text = canonicalText(args);
    const actionId = newId();
    const request: RequestFacts = {
      action_id: actionId,
      approval_id: newId(),
      policy_hash: sha('policy'),
      policy_version: 3,
      rule_id: 'refund-large',
      reason: 'Refunds above 50 USD need a person',
      action_class: 'financial',
      facts: {
        tenant,
        scope_path: `tenant:${tenant}/workspace:support`,
        agent: 'support-bot',
        run_id: 'run-1',
        action_kind: 'payment.refund',
        tool: { name: 'billing.refund', version: '1' },
        environment: 'prod',
        risk_tags: ['payment'],
        risk_points: 20,
        amounts: [{ unit: 'USD_MICROCENTS', amount }],
        has_evidence: false,
        has_reversal: false,
        execution_mode: 'managed',
      },
      agent_owner: 'olga',
      arguments_hash: saltedHash(salt, Buffer.from(text)),
      narrowable: { amounts: { USD: '/amount' } },
      demand: { stages: [{ roles: ['finance'], quorum: 1 }], distinct: true, ttl_ms: expiresInMs, on_timeout: 'deny' },
      on_silence: 'unknown',
      expires_at: toInstant(Date.now() + expiresInMs),
      ...more,
    };
    const key = await this.keys.createActionKey(tenant, actionId);
    const id = newId();
    const proposal = { salt: salt.toString('base64url'), arguments: text, target: 'acct_42', reasoning: 'The photograph shows a broken part.', ...sealed };
    await this.policy.publish({ tenant, aggregate: 'action', id: actionId }, { definition: ApprovalRequired, data: request, actor: SERVICE, id, correlationId: actionId, sealed: seal(key, actionId, id, proposal) });
    if (expectOpen) await this.until('the request stands in the queue', async () => (await this.rows('SELECT FROM approval_request WHERE approval_id = $1', [request.approval_id])).length === 1);
    return { request, args };
  }

  /** A person's roles become these, as policy publishes it; resolves when approvals knows. */
  async changeRoles(person: string, roles: readonly string[], tenant = 'acme'): Promise<void> {
    await this.policy.publish({ tenant, aggregate: 'person', id: person }, { definition: EligibilityChanged, data: { person, roles }, actor: SYSTEM });
    await this.until('the roles are known', async () => (await this.rows('SELECT FROM directory_person WHERE tenant = $1 AND person = $2 AND roles = $3', [tenant, person, roles])).length === 1);
  }

  /** Another agent of the tenant, with a key. */
  async addAgent(agent: string, scopePrefix: string, tenant = 'acme'): Promise<string> {
    const token = `exq_agent_${tenant}_${agent}`;
    await this.policy.publish(
      { tenant, aggregate: 'agent', id: agent },
      { definition: AgentRegistered, data: { agent, display_name: agent, scope_prefix: scopePrefix }, actor: SYSTEM },
      { definition: AgentKeyIssued, data: { agent, key_id: 'k1', key_hash: sha(token) }, actor: SYSTEM },
    );
    await this.until('the agent is known', async () => (await this.rows('SELECT FROM directory_agent_key WHERE tenant = $1 AND agent = $2', [tenant, agent])).length === 1);
    return token;
  }

  /** Any decision of a person on what they see now. */
  async act(asked: Asked, verb: string, person: string, body: Record<string, unknown> = {}): Promise<Answered> {
    const seen = await this.show(asked, 'fiona');
    return this.call('POST', `/v1/approvals/${asked.request.approval_id}/${verb}`, this.personToken(person, asked.request.facts.tenant), { body, ifMatch: seen.etag });
  }

  async withdraw({ request }: Asked): Promise<void> {
    const { action_id, facts } = request;
    await this.policy.publish({ tenant: facts.tenant, aggregate: 'action', id: action_id }, { definition: ActionWithdrawn, data: { action_id, reason: 'no longer needed' }, actor: { type: 'agent', id: facts.agent }, correlationId: action_id });
  }

  /** Asked again with its key while the answer is "later". */
  call(method: 'GET' | 'POST', path: string, token: string, { key = newId(), ...more }: Sending = {}): Promise<Answered> {
    return askAgain(() => this.callOnce(method, path, token, { key, ...more }));
  }

  private async callOnce(method: 'GET' | 'POST', path: string, token: string, { body, ifMatch, key }: Sending & { readonly key: string }): Promise<Answered> {
    const answer = await fetch(`${this.origin}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        ...(method === 'POST' ? { 'idempotency-key': key } : {}),
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const bytes = await answer.text();
    return { status: answer.status, body: JSON.parse(bytes === '' ? '{}' : bytes) as Record<string, unknown>, bytes, etag: answer.headers.get('etag') ?? '' };
  }

  show({ request }: Asked, person = 'fiona'): Promise<Answered> {
    return this.call('GET', `/v1/approvals/${request.approval_id}`, this.personToken(person, request.facts.tenant));
  }

  /** Looks at the card as this person and decides on what was seen. */
  async decide(asked: Asked, verb: 'approve' | 'reject' | 'respond' | 'edit' | 'break-glass', person: string, body: Record<string, unknown> = {}, key?: string): Promise<Answered> {
    const seen = await this.show(asked, 'fiona');
    return this.call('POST', `/v1/approvals/${asked.request.approval_id}/${verb}`, this.personToken(person, asked.request.facts.tenant), { body: { view_hash: seen.body['view_hash'], ...body }, ifMatch: seen.etag, ...(key === undefined ? {} : { key }) });
  }

  async rows<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<R[]> {
    return (await this.pool.query<R>(sql, values)).rows;
  }

  /** As the superuser: what no service may see of another. */
  async adminRows<R extends pg.QueryResultRow>(sql: string, values: unknown[] = []): Promise<R[]> {
    const client = new pg.Client({ connectionString: this.adminUrl });
    await client.connect();
    try {
      return (await client.query<R>(sql, values)).rows;
    } finally {
      await client.end();
    }
  }

  /**
   * Sends all requests while the stream of `asked` is locked, waits until each of them waits for that lock, and lets them go
   * at once: a race that really happens.
   */
  async atOnce<T>({ request }: Asked, send: readonly (() => Promise<T>)[]): Promise<readonly T[]> {
    const key = lockKeyOf(request);
    const holder = await this.pool.connect();
    try {
      await holder.query('SELECT pg_advisory_lock($1)', [key]);
      const answers = Promise.all(send.map((each) => each()));
      await this.until('all of them wait', async () => ((await holder.query("SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")).rowCount ?? 0) >= send.length);
      await holder.query('SELECT pg_advisory_unlock($1)', [key]);
      return await answers;
    } finally {
      holder.release(true);
    }
  }

  /** Events of one request, oldest first, as their bytes say. */
  async events({ request }: Asked): Promise<readonly { readonly id: string; readonly name: string; readonly actorid: string; readonly actortype: string; readonly data: Record<string, unknown>; readonly sealed?: Parameters<typeof open>[1] }[]> {
    const rows = await this.rows<{ bytes: Buffer }>("SELECT bytes FROM event WHERE aggregate = 'approval' AND subject = $1 ORDER BY version", [request.approval_id]);
    return rows.map(({ bytes }) => {
      const event = JSON.parse(bytes.toString('utf8')) as { id: string; type: string; actorid: string; actortype: string; data: Record<string, unknown>; sealed?: Parameters<typeof open>[1] };
      return { ...event, name: event.type.split('.')[3] ?? '' };
    });
  }

  async names(asked: Asked): Promise<readonly string[]> {
    return (await this.events(asked)).map(({ name }) => name);
  }

  /** Plaintext of an event's sealed part. */
  async opened<T>({ request }: Asked, event: { readonly id: string; readonly sealed?: Parameters<typeof open>[1] }): Promise<T> {
    const key = await this.keys.actionKey(request.facts.tenant, request.action_id);
    if (key === undefined || event.sealed === undefined) throw new Error('nothing sealed, or erased');
    return open(key, event.sealed, event.id) as T;
  }

  async until(what: string, holds: () => Promise<boolean>, withinMs = PATIENCE_MS): Promise<void> {
    const until = performance.now() + withinMs;
    while (!(await holds())) {
      if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

/** The advisory lock of a request's stream, as the event store takes it. */
export const lockKeyOf = ({ facts, approval_id }: RequestFacts): string => createHash('sha256').update(`stream:approvals:${facts.tenant}/approval/${approval_id}`).digest().readBigInt64BE(0).toString();
