import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { PrivateJwk, TrustedKeys } from '@exequatur/audit-chain';
import { ActionAllowed, AgentKeyIssued, AgentRegistered, ALL_TOPICS, ApprovalGranted, GRANT_JWS_TYPE, PersonLinked, PolicyPublished, TenantCreated } from '@exequatur/contracts';
import type { Grant, SealedContent, ServiceName } from '@exequatur/contracts';
import type { Actor } from '@exequatur/event-store';
import { canonicalBytes, derivedId, fromInstant, newId, newSalt, saltedHash, sha256Text, toInstant } from '@exequatur/kernel';
import type { JsonObject, JsonValue } from '@exequatur/kernel';
import { postgresTransport } from '@exequatur/messaging';
import { parsePolicy, policyHash, policyText, registeredKinds } from '@exequatur/policy-domain';
import { reservationsService } from '@exequatur/reservations';
import { open, PgKeyStore, seal } from '@exequatur/sealing';
import { bootstrapDatabase, createService, loadConfig, newInstallationSecrets, Signer } from '@exequatur/service-kit';
import type { InstallationSecrets, RunningService } from '@exequatur/service-kit';
import { PATIENCE_MS, startTestPostgres } from '@exequatur/testing';
import type { TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { executorService } from '../index.js';
import { ExecutorProcess } from './executor-process.js';
import { Neighbour } from './neighbour.js';
import { openReservationsDoor } from './reservations-door.js';
import type { ReservationsDoor } from './reservations-door.js';

const ROOT: Actor = { type: 'system', id: 'root' };
export const TENANT = 'acme';
export const AGENT_TOKEN = 'exq_agent_acme_mailer';
export const OTHER_AGENT_TOKEN = 'exq_agent_acme_other';
export const THIRD_AGENT_TOKEN = 'exq_agent_acme_third';
export const OPERATOR_TOKEN = 'exq_person_acme_olga';
const SCOPE = `tenant:${TENANT}/app:outreach`;
const KIND = 'mail.send';
/** Short, so that specs about dead workers need not wait long. */
export const LEASE_MS = 3_000;

export const POLICY: JsonObject = { version: 1, classes: { mail: { kinds: [KIND], default: 'allow', on_silence: 'unknown' } } };

export interface Reply {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly text: string;
}

export interface LoggedEvent {
  readonly name: string;
  readonly data: Record<string, unknown>;
  readonly bytes: Buffer;
  readonly time: number;
}

/** Policy as a signed neighbour, the real reservations behind a wire that can be cut, and executors as told. */
export class ExecutorBed {
  reservationsOrigin = '';
  private madeUnder = { policy_hash: '', policy_version: 1 };
  private stops: (() => Promise<unknown>)[] = [];

  private constructor(
    private readonly postgres: TestPostgres,
    readonly secrets: InstallationSecrets,
    private readonly adminUrl: string,
    /** Superuser; search_path executor. */
    readonly admin: pg.Pool,
    readonly policy: Neighbour,
    readonly approvals: Neighbour,
    readonly keys: PgKeyStore,
    readonly door: ReservationsDoor,
  ) {}

  static async start(): Promise<ExecutorBed> {
    const postgres = await startTestPostgres({ settings: { max_connections: '200' } });
    const { url: adminUrl } = await postgres.createDatabase();
    const secrets = newInstallationSecrets();
    await bootstrapDatabase({ adminUrl, passwords: secrets.databasePasswords });
    const transport = postgresTransport({ connectionString: urlOf(adminUrl, 'policy', secrets), service: 'policy' });
    await transport.ensureTopics(ALL_TOPICS);
    await transport.close();
    const neighbour = (service: ServiceName): Promise<Neighbour> => Neighbour.start(service, urlOf(adminUrl, service, secrets), JSON.parse(secrets.signingKeys[service]) as PrivateJwk);
    const policy = await neighbour('policy');
    const approvals = await neighbour('approvals');
    const keys = new PgKeyStore({ sql: policy.pool, keyEncryptionKey: Buffer.from(secrets.keyEncryptionKey, 'base64url') });
    const admin = new pg.Pool({ connectionString: adminUrl, max: 4, options: '-c search_path=executor' });
    admin.on('error', () => undefined);
    const door = await openReservationsDoor(() => bed.reservationsOrigin);
    const bed: ExecutorBed = new ExecutorBed(postgres, secrets, adminUrl, admin, policy, approvals, keys, door);
    const reservations = await createService(reservationsService.definition, loadConfig(reservationsService.Config, bed.environment('reservations')));
    bed.reservationsOrigin = await reservations.listen();
    bed.stops.push(() => reservations.close());
    await bed.populate();
    return bed;
  }

  async stop(): Promise<void> {
    for (const stop of this.stops.splice(0).reverse()) await stop();
    await this.door.stop();
    await this.policy.stop();
    await this.approvals.stop();
    await this.admin.end();
    await this.postgres.stop();
  }

  environment(service: ServiceName, more: Readonly<Record<string, string>> = {}): Record<string, string> {
    return {
      DATABASE_URL: urlOf(this.adminUrl, service, this.secrets),
      EXEQUATUR_SIGNING_KEY: this.secrets.signingKeys[service],
      EXEQUATUR_TRUSTED_KEYS: this.secrets.trustedKeys,
      EXEQUATUR_KEK: this.secrets.keyEncryptionKey,
      EXEQUATUR_ADMIN_TOKEN_HASH: this.secrets.adminTokenHash,
      RESERVATIONS_URL: this.door.url,
      EXECUTOR_LEASE_MS: String(LEASE_MS),
      LOG_LEVEL: process.env['SPEC_LOG_LEVEL'] ?? 'silent',
      ...more,
    };
  }

  /** An executor in this process. */
  async executor(more: Readonly<Record<string, string>> = {}): Promise<{ readonly service: RunningService; readonly origin: string }> {
    const service = await createService(executorService.definition, loadConfig(executorService.Config, this.environment('executor', more)));
    this.stops.push(() => service.close());
    return { service, origin: await service.listen() };
  }

  /** An executor as a process of its own, from what was built; resolves once it listens. */
  async executorProcess(more: Readonly<Record<string, string>> = {}): Promise<ExecutorProcess> {
    const child = spawn(process.execPath, [fileURLToPath(new URL('../../dist/main.js', import.meta.url))], { env: { PATH: process.env['PATH'], ...this.environment('executor', more) }, stdio: ['ignore', 'pipe', 'pipe'] });
    const running = new ExecutorProcess(child);
    this.stops.push(() => running.kill());
    await running.listening();
    return running;
  }

  private async populate(): Promise<void> {
    const { policy } = this;
    const sha = (text: string): string => sha256Text(Buffer.from(text));
    const actor = ROOT;
    await policy.publish({ tenant: TENANT, aggregate: 'tenant', id: TENANT }, { definition: TenantCreated, data: { tenant: TENANT, display_name: 'Acme' }, actor });
    for (const [agent, token] of [['mailer', AGENT_TOKEN], ['other', OTHER_AGENT_TOKEN], ['third', THIRD_AGENT_TOKEN]] as const) {
      await policy.publish(
        { tenant: TENANT, aggregate: 'agent', id: agent },
        { definition: AgentRegistered, data: { agent, display_name: agent, scope_prefix: `tenant:${TENANT}` }, actor },
        { definition: AgentKeyIssued, data: { agent, key_id: 'k1', key_hash: sha(token) }, actor },
      );
    }
    await policy.publish({ tenant: TENANT, aggregate: 'person', id: 'olga' }, { definition: PersonLinked, data: { person: 'olga', subject: 'dev#olga', roles: ['operator'], token_hash: sha(OPERATOR_TOKEN) }, actor });
    await this.publishPolicy(1, POLICY);
    const budget = await this.post(this.reservationsOrigin, '/v1/budgets', { tenant: TENANT, scope_path: `tenant:${TENANT}`, unit: 'RISK_POINTS', cap: '1000000' }, this.secrets.adminToken);
    if (budget.status !== 201) throw new Error(budget.text);
  }

  /** Resolves when it is in force; grants from then on are made under it. */
  async publishPolicy(version: number, policy: JsonValue): Promise<void> {
    const parsed = parsePolicy(policy);
    if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
    const published = { policy_hash: policyHash(parsed.policy), policy_version: version, source: JSON.stringify(policy), canonical: policyText(parsed.policy), registered_kinds: registeredKinds(parsed.policy), reason: 'spec' };
    await this.policy.publish({ tenant: TENANT, aggregate: 'policy', id: 'policy' }, { definition: PolicyPublished, data: published, actor: { type: 'person', id: 'pia' } });
    await this.until('the policy is in force', async () => (await this.admin.query('SELECT FROM reservations.policy_in_force WHERE tenant = $1 AND policy_version = $2', [TENANT, version])).rowCount === 1);
    this.madeUnder = { policy_hash: published.policy_hash, policy_version: version };
  }

  /**
   * Publishes a grant with sealed arguments, as its owner would: an allowance of policy, or with `approved` an approval.
   * `erased`: its data key is gone when anybody reads it; `signedBy`: whose key the grant inside has.
   */
  async allow(args: JsonValue, changes: Partial<Grant> = {}, { erased = false, approved = false, signedBy = approved ? 'approvals' : 'policy' }: AllowOptions = {}): Promise<Allowed> {
    const actionId = newId();
    const grantId = approved ? newId() : actionId;
    const salt = newSalt();
    const bytes = Buffer.from(canonicalBytes(args));
    const hash = saltedHash(salt, bytes);
    const claims = this.claimsOf(actionId, hash, { grant_id: grantId, source: approved ? 'approval' : 'allowance', ...changes });
    const signer = new Signer(signedBy, JSON.parse(this.secrets.signingKeys[signedBy]) as PrivateJwk, JSON.parse(this.secrets.trustedKeys) as TrustedKeys);
    const eventId = newId();
    const key = await this.keys.createActionKey(TENANT, actionId);
    if (erased) await this.keys.destroyActionKey(TENANT, actionId);
    const sealed = seal(key, actionId, eventId, { salt: salt.toString('base64url'), arguments: bytes.toString('utf8') });
    await (approved ? this.publishApproval : this.publishAllowance).call(this, claims, signer.signJws(claims, GRANT_JWS_TYPE), eventId, sealed);
    return { actionId, executionId: derivedId('execution', TENANT, grantId, '1'), bytes, salt, hash };
  }

  private claimsOf(actionId: string, hash: string, changes: Partial<Grant>): Grant {
    const tool = changes.tool ?? { name: 'mailer.send', version: '1' };
    const mode = changes.execution_mode ?? 'managed';
    return {
      grant_id: actionId, source: 'allowance', action_id: actionId, tenant: TENANT, scope_path: SCOPE, agent_identity: 'mailer', run_id: 'run-1', action_kind: KIND, on_silence: 'unknown', tool,
      arguments_hash: hash, granted_arguments_hash: hash, binding: 'exact', execution_mode: mode, not_before: toInstant(Date.now() - 1_000), expires_at: toInstant(Date.now() + 600_000), max_uses: 1, risk_points: 1,
      amounts: [], caps: {}, approvers: [], ...this.madeUnder, rule_id: 'class:mail',
      facts: this.facts(tool, mode),
      ...changes,
    };
  }

  /** What policy judged of an action of the mailer. */
  facts(tool: Grant['tool'], mode: Grant['execution_mode'] = 'managed'): Grant['facts'] {
    return { tenant: TENANT, scope_path: SCOPE, agent: 'mailer', run_id: 'run-1', action_kind: KIND, tool, risk_tags: [], risk_points: 1, amounts: [], has_evidence: false, has_reversal: false, execution_mode: mode };
  }

  private publishAllowance(claims: Grant, jws: string, id: string, sealed: SealedContent): Promise<void> {
    const { action_id, grant_id, expires_at, policy_hash, policy_version } = claims;
    const data = { action_id, policy_hash, policy_version, rule_id: 'class:mail', reason: 'spec', tier: 'AUTO', sampled: false, grant_id, grant: jws, expires_at } as const;
    return this.policy.publish({ tenant: TENANT, aggregate: 'action', id: action_id }, { definition: ActionAllowed, id, data, sealed, correlationId: action_id, actor: { type: 'service', id: 'policy' } });
  }

  private publishApproval(claims: Grant, jws: string, id: string, sealed: SealedContent): Promise<void> {
    const { action_id, grant_id, expires_at, arguments_hash, granted_arguments_hash } = claims;
    const data = { approval_id: grant_id, action_id, grant_id, grant: jws, approver_ids: ['alice'], vote_event_ids: [newId()], granted_arguments_hash, arguments_hash, narrowed: [], view_hash: granted_arguments_hash, expires_at };
    return this.approvals.publish({ tenant: TENANT, aggregate: 'approval', id: grant_id }, { definition: ApprovalGranted, id, data, sealed, correlationId: action_id, actor: { type: 'person', id: 'alice' } });
  }

  /** Everything that is on the bus for an action, once more. */
  async redeliver(actionId: string): Promise<void> {
    const { rows } = await this.admin.query<{ topic: string; key: string; value: Buffer; headers: Record<string, string> }>('SELECT topic, key, value, headers FROM bus.message WHERE key = $1 ORDER BY "offset"', [`${TENANT}/action/${actionId}`]);
    const transport = postgresTransport({ connectionString: urlOf(this.adminUrl, 'policy', this.secrets), service: 'policy' });
    for (const { topic, key, value, headers } of rows) await transport.publisher.publish(topic, [{ key, value, headers }]);
    await transport.close();
  }

  /** Waits until the executor has taken all that is on the bus for it. */
  caughtUp(): Promise<void> {
    return this.until('the executor has caught up', async () => {
      const { rows } = await this.admin.query<{ behind: string }>(
        `SELECT coalesce(sum(p.next_offset - coalesce(o.next_offset, 0)), 0) AS behind FROM bus.partition p
         LEFT JOIN bus.consumer_offset o ON o.topic = p.topic AND o.partition = p.partition AND o.consumer_group = 'executor' WHERE p.topic LIKE 'exequatur.actions.%'`,
      );
      return rows[0]?.behind === '0';
    });
  }

  /** Tools of specs run on this machine; a connector has to say so. */
  async connect(origin: string, tool: { name: string; version: string }, { settings, ...body }: { readonly settings: object; readonly [field: string]: unknown }): Promise<void> {
    const reply = await this.post(origin, '/v1/connectors', { tenant: TENANT, tool, ...body, settings: { private_networks: ['127.0.0.1'], ...settings } }, this.secrets.adminToken);
    if (reply.status !== 201) throw new Error(reply.text);
  }

  async call(method: 'GET' | 'POST', url: string, token: string, body?: unknown, key: string = newId()): Promise<Reply> {
    const headers = { authorization: `Bearer ${token}`, ...(method === 'POST' ? { 'idempotency-key': key } : {}), ...(body === undefined ? {} : { 'content-type': 'application/json' }) };
    const answer = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
    const text = await answer.text();
    return { status: answer.status, text, body: JSON.parse(text === '' ? '{}' : text) as Record<string, unknown> };
  }

  post(origin: string, path: string, body?: unknown, token = OPERATOR_TOKEN, key?: string): Promise<Reply> {
    return this.call('POST', `${origin}${path}`, token, body, key);
  }

  /** Events of one stream of a service, by version. */
  async events(service: 'executor' | 'reservations', subject: string): Promise<readonly LoggedEvent[]> {
    const { rows } = await this.admin.query<{ type: string; bytes: Buffer }>(`SELECT type, bytes FROM ${service}.event WHERE subject = $1 ORDER BY version`, [subject]);
    return rows.map(({ type, bytes }) => {
      const envelope = JSON.parse(bytes.toString('utf8')) as { data: Record<string, unknown>; time: string };
      return { name: type.split('.')[3] ?? '', data: envelope.data, bytes, time: fromInstant(envelope.time) };
    });
  }

  async names(executionId: string): Promise<readonly string[]> {
    return (await this.events('executor', executionId)).map(({ name }) => name);
  }

  /** Claims that were made for an execution. */
  async claims(executionId: string): Promise<readonly Record<string, unknown>[]> {
    const { rows } = await this.admin.query<{ bytes: Buffer }>("SELECT bytes FROM reservations.event WHERE type LIKE '%.ReservationHeld.%' ORDER BY xid, position");
    return rows.map(({ bytes }) => (JSON.parse(bytes.toString('utf8')) as { data: Record<string, unknown> }).data).filter((data) => data['execution_id'] === executionId);
  }

  async row(executionId: string): Promise<Record<string, unknown>> {
    return (await this.admin.query<Record<string, unknown>>('SELECT * FROM execution WHERE execution_id = $1', [executionId])).rows[0] ?? {};
  }

  /** Waits until the execution has one of these as its last event; gives all. */
  async ended(executionId: string, last: RegExp = /Succeeded|Failed|Unknown|Skipped|Reconciled/, withinMs = PATIENCE_MS): Promise<readonly LoggedEvent[]> {
    await this.until(`${executionId} ends in ${last.source}`, async () => last.test((await this.names(executionId)).at(-1) ?? ''), withinMs);
    return this.events('executor', executionId);
  }

  /** The plaintext sealed in an event. */
  async opened(event: LoggedEvent | undefined): Promise<unknown> {
    if (event === undefined) return undefined;
    const { id, sealed } = JSON.parse(event.bytes.toString('utf8')) as { id: string; sealed: Parameters<typeof open>[1] };
    const key = await this.keys.actionKey(TENANT, sealed.action_id);
    return key === undefined ? undefined : open(key, sealed, id);
  }

  async until(what: string, holds: () => Promise<boolean>, withinMs = PATIENCE_MS): Promise<void> {
    const until = performance.now() + withinMs;
    while (!(await holds())) {
      if (performance.now() > until) throw new Error(`not within ${withinMs} ms: ${what}`);
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }
}

interface AllowOptions {
  readonly erased?: boolean;
  readonly approved?: boolean;
  readonly signedBy?: ServiceName;
}

export interface Allowed {
  readonly actionId: string;
  readonly executionId: string;
  /** canonical arguments */
  readonly bytes: Buffer;
  readonly salt: Buffer;
  readonly hash: string;
}

const urlOf = (adminUrl: string, service: ServiceName, secrets: InstallationSecrets): string => {
  const url = new URL(adminUrl);
  url.username = `exequatur_${service}`;
  url.password = secrets.databasePasswords[service];
  return url.toString();
};
