import { ALL_TOPICS, AgentKeyIssued, AgentRegistered, GRANT_JWS_TYPE, PersonLinked, PolicyPublished, TenantCreated } from '@exequatur/contracts';
import type { Grant, ReserveRequest, ServiceName } from '@exequatur/contracts';
import type { PrivateJwk, TrustedKeys } from '@exequatur/audit-chain';
import type { Actor } from '@exequatur/event-store';
import { postgresTransport } from '@exequatur/messaging';
import { newId, sha256Text, toInstant } from '@exequatur/kernel';
import { parsePolicy, policyHash, policyText, registeredKinds } from '@exequatur/policy-domain';
import type { Policy } from '@exequatur/policy-domain';
import type { JsonValue } from '@exequatur/kernel';
import { bootstrapDatabase, createService, loadConfig, newInstallationSecrets, serviceToken, Signer } from '@exequatur/service-kit';
import type { InstallationSecrets, RunningService } from '@exequatur/service-kit';
import { askAgain, PATIENCE_MS, startTestPostgres } from '@exequatur/testing';
import type { TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { reservationsService } from '../index.js';
import { Neighbour } from './neighbour.js';

const ROOT: Actor = { type: 'system', id: 'root' };
const sha = (text: string): string => sha256Text(Buffer.from(text));

/** Allows mail.* outright, asks `approver` for pay.*, denies nothing. */
export const BASE_POLICY: JsonValue = {
  version: 1,
  classes: {
    mail: { kinds: ['mail.send', 'mail.read'], default: 'allow', on_silence: 'unknown' },
    pay: { kinds: ['pay.refund'], default: 'require_approval', on_silence: 'unknown', approval: { stages: [{ roles: ['approver'], quorum: 1 }], ttl: '1h' } },
  },
};

const parsed = (document: JsonValue): Policy => {
  const result = parsePolicy(document);
  if (!result.ok) throw new Error(JSON.stringify(result.findings));
  return result.policy;
};

/** policy_hash that a document will have when it is published. */
export const hashOf = (document: JsonValue): string => policyHash(parsed(document));

export interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly bytes: string;
}

/** The reservations service on a real database and bus, with signed neighbours, two tenants and their people. */
export class Installation {
  origin = '';
  policyVersion = 0;
  policyHash = '';

  private constructor(
    private readonly postgres: TestPostgres,
    readonly secrets: InstallationSecrets,
    readonly url: string,
    readonly pool: pg.Pool,
    readonly service: RunningService,
    readonly neighbours: Readonly<Record<'policy' | 'approvals' | 'executor', Neighbour>>,
  ) {}

  static async start(): Promise<Installation> {
    const postgres = await startTestPostgres({ settings: { max_connections: '200' } });
    const started: (() => Promise<void>)[] = [() => postgres.stop()];
    try {
      return await Installation.on(postgres, started);
    } catch (error) {
      // What stays behind keeps the test process alive.
      for (const stop of started.reverse()) await stop().catch(() => undefined);
      throw error;
    }
  }

  private static async on(postgres: TestPostgres, started: (() => Promise<void>)[]): Promise<Installation> {
    const { url: adminUrl } = await postgres.createDatabase();
    const secrets = newInstallationSecrets();
    await bootstrapDatabase({ adminUrl, passwords: secrets.databasePasswords });
    const urlOf = (service: ServiceName): string => {
      const url = new URL(adminUrl);
      url.username = `exequatur_${service}`;
      url.password = secrets.databasePasswords[service];
      return url.toString();
    };
    const keyOf = (service: ServiceName): PrivateJwk => JSON.parse(secrets.signingKeys[service]) as PrivateJwk;
    const transport = postgresTransport({ connectionString: urlOf('policy'), service: 'policy' });
    await transport.ensureTopics(ALL_TOPICS);
    await transport.close();
    const neighbour = async (service: ServiceName): Promise<Neighbour> => {
      const running = await Neighbour.start(service, urlOf(service), keyOf(service));
      started.push(() => running.stop());
      return running;
    };
    const neighbours = { policy: await neighbour('policy'), approvals: await neighbour('approvals'), executor: await neighbour('executor') };
    const service = await createService(
      reservationsService.definition,
      loadConfig(reservationsService.Config, {
        DATABASE_URL: urlOf('reservations'),
        EXEQUATUR_SIGNING_KEY: secrets.signingKeys.reservations,
        EXEQUATUR_TRUSTED_KEYS: secrets.trustedKeys,
        EXEQUATUR_KEK: secrets.keyEncryptionKey,
        EXEQUATUR_ADMIN_TOKEN_HASH: secrets.adminTokenHash,
        LOG_LEVEL: process.env['EXEQUATUR_TEST_LOG_LEVEL'] ?? 'silent',
      }),
    );
    started.push(() => service.close());
    const url = urlOf('reservations');
    const pool = new pg.Pool({ connectionString: url, max: 4, pipeline: true, options: '-c search_path=reservations' });
    started.push(() => pool.end());
    pool.on('error', () => undefined);
    const installation = new Installation(postgres, secrets, url, pool, service, neighbours);
    installation.origin = await service.listen();
    await installation.populate('acme');
    await installation.populate('globex');
    await installation.publishPolicy('acme', BASE_POLICY);
    await installation.publishPolicy('globex', BASE_POLICY);
    return installation;
  }

  async stop(): Promise<void> {
    await this.pool.end();
    await this.service.close();
    for (const neighbour of Object.values(this.neighbours)) await neighbour.stop();
    await this.postgres.stop();
  }

  /** Keeps the locks of a statement until the function that it gives is called. */
  async holdUp(text: string, values: unknown[]): Promise<() => Promise<void>> {
    const client = await this.pool.connect();
    await client.query('BEGIN');
    await client.query(text, values);
    return async () => {
      await client.query('COMMIT');
      client.release();
    };
  }

  /** A figure of /metrics, summed over its labels; `labels` is part of what stands between the braces. */
  async gauge(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`${this.origin}/metrics`)).text();
    const lines = text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
    return lines.filter((line) => line.includes(labels)).reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  }

  readonly agentToken = (tenant: string, agent = 'mailer'): string => `exq_agent_${tenant}_${agent}`;
  readonly personToken = (tenant: string): string => `exq_person_${tenant}_olga`;

  signer(service: ServiceName): Signer {
    return new Signer(service, JSON.parse(this.secrets.signingKeys[service]) as PrivateJwk, JSON.parse(this.secrets.trustedKeys) as TrustedKeys);
  }

  executorToken(): string {
    return serviceToken(this.signer('executor'), 'reservations', Date.now());
  }

  private async populate(tenant: string): Promise<void> {
    const { policy } = this.neighbours;
    const actor = ROOT;
    await policy.publish({ tenant, aggregate: 'tenant', id: tenant }, { definition: TenantCreated, data: { tenant, display_name: tenant }, actor });
    for (const agent of ['mailer', 'other']) {
      await policy.publish(
        { tenant, aggregate: 'agent', id: agent },
        { definition: AgentRegistered, data: { agent, display_name: agent, scope_prefix: `tenant:${tenant}` }, actor },
        { definition: AgentKeyIssued, data: { agent, key_id: 'k1', key_hash: sha(this.agentToken(tenant, agent)) }, actor },
      );
    }
    await policy.publish({ tenant, aggregate: 'person', id: 'olga' }, { definition: PersonLinked, data: { person: 'olga', subject: `dev#${tenant}-olga`, roles: ['operator'], token_hash: sha(this.personToken(tenant)) }, actor });
    await this.until('the directory', async () => (await this.count('SELECT FROM directory_person WHERE tenant = $1', [tenant])) === 1);
  }

  /** Publishes and waits until it is in force here. */
  async publishPolicy(tenant: string, document: JsonValue, version = this.policyVersion + (tenant === 'acme' ? 1 : 0)): Promise<Policy> {
    const policy = parsed(document);
    const hash = policyHash(policy);
    await this.neighbours.policy.publish(
      { tenant, aggregate: 'policy', id: 'policy' },
      {
        definition: PolicyPublished,
        data: { policy_hash: hash, policy_version: version, source: JSON.stringify(document), canonical: policyText(policy), registered_kinds: registeredKinds(policy), reason: 'spec' },
        actor: { type: 'person', id: 'pia' },
      },
    );
    if (tenant === 'acme') {
      this.policyVersion = version;
      this.policyHash = hash;
    }
    await this.until('the policy is in force', async () => (await this.count('SELECT FROM policy_in_force WHERE tenant = $1 AND policy_version = $2', [tenant, version])) === 1);
    return policy;
  }

  /** Claims of a valid allowance for the mailer agent of acme, under the policy in force. */
  grant(changes: Partial<Grant> = {}): Grant {
    const grantId = newId();
    const tenant = changes.tenant ?? 'acme';
    const scope = changes.scope_path ?? `tenant:${tenant}/app:outreach`;
    const kind = changes.action_kind ?? 'mail.send';
    const tool = changes.tool ?? { name: 'mailer.send', version: '1' };
    const mode = changes.execution_mode ?? 'self';
    const base: Grant = {
      grant_id: grantId,
      source: 'allowance',
      action_id: grantId,
      tenant,
      scope_path: scope,
      agent_identity: 'mailer',
      run_id: 'run-1',
      action_kind: kind,
      on_silence: 'unknown',
      tool,
      target_hash: sha('target'),
      arguments_hash: sha('arguments'),
      granted_arguments_hash: sha('arguments'),
      binding: 'exact',
      execution_mode: mode,
      not_before: toInstant(Date.now() - 1_000),
      expires_at: toInstant(Date.now() + 600_000),
      max_uses: 1,
      risk_points: 1,
      amounts: [],
      caps: {},
      approvers: [],
      policy_hash: this.policyHash,
      policy_version: this.policyVersion,
      rule_id: 'class:mail',
      facts: { tenant, scope_path: scope, agent: 'mailer', run_id: 'run-1', action_kind: kind, tool, risk_tags: [], risk_points: 1, amounts: [], has_evidence: false, has_reversal: false, execution_mode: mode },
    };
    return { ...base, ...changes };
  }

  sign(grant: Grant, service: ServiceName = grant.source === 'allowance' ? 'policy' : 'approvals', typ: string = GRANT_JWS_TYPE): string {
    return this.signer(service).signJws(grant, typ);
  }

  /** The request that a grant allows, presenting it. */
  async request(grant: Grant, changes: Partial<ReserveRequest> = {}): Promise<ReserveRequest> {
    return {
      grant: this.sign(grant),
      execution_mode: grant.execution_mode,
      agent: grant.agent_identity,
      scope_path: grant.scope_path,
      run_id: grant.run_id,
      action_kind: grant.action_kind,
      tool: grant.tool,
      ...(grant.target_hash === undefined ? {} : { target_hash: grant.target_hash }),
      arguments_hash: grant.granted_arguments_hash,
      ...changes,
    };
  }

  /** Asked again with its key while the answer is "later". */
  call(method: 'GET' | 'POST', path: string, token: string, body?: unknown, key: string = newId()): Promise<Answered> {
    return askAgain(() => this.callOnce(method, path, token, body, key));
  }

  private async callOnce(method: 'GET' | 'POST', path: string, token: string, body: unknown, key: string): Promise<Answered> {
    const answer = await fetch(`${this.origin}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(method === 'POST' ? { 'idempotency-key': key } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const bytes = await answer.text();
    return { status: answer.status, body: JSON.parse(bytes === '' ? '{}' : bytes) as Record<string, unknown>, bytes };
  }

  post(path: string, body: unknown, token = this.agentToken('acme'), key?: string): Promise<Answered> {
    return this.call('POST', path, token, body, key);
  }

  async reserve(grant: Grant, changes: Partial<ReserveRequest> = {}, token?: string, key?: string): Promise<Answered> {
    return this.post('/v1/reservations', await this.request(grant, changes), token, key);
  }

  async budget(cap: string, scopePath = 'tenant:acme', unit = 'RISK_POINTS'): Promise<string> {
    const { status, body } = await this.post('/v1/budgets', { scope_path: scopePath, unit, cap, tenant: scopePath.split('/')[0]?.slice('tenant:'.length) }, this.secrets.adminToken);
    if (status !== 201) throw new Error(`${status} ${JSON.stringify(body)}`);
    return body['budget_id'] as string;
  }

  async count(sql: string, values: unknown[] = []): Promise<number> {
    return (await this.pool.query(sql, values)).rowCount ?? 0;
  }

  /** Events of a type, in commit order of their streams. */
  async events(name: string, tenant = 'acme'): Promise<readonly { readonly subject: string; readonly version: number; readonly data: Record<string, unknown> }[]> {
    const { rows } = await this.pool.query<{ subject: string; version: number; bytes: Buffer }>('SELECT subject, version, bytes FROM event WHERE tenant = $1 AND type = $2 ORDER BY xid, position', [tenant, `dev.exequatur.reservations.${name}.v1`]);
    return rows.map(({ subject, version, bytes }) => ({ subject, version, data: (JSON.parse(bytes.toString('utf8')) as { data: Record<string, unknown> }).data }));
  }

  async until(what: string, holds: () => Promise<boolean>, withinMs = PATIENCE_MS): Promise<void> {
    const until = performance.now() + withinMs;
    while (!(await holds())) {
      if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
