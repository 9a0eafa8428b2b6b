import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceName } from '@exequatur/contracts';
import type { Proposed } from '@exequatur/sdk';
import { PATIENCE_MS } from '@exequatur/testing';
import { settledLog } from './exported-log.js';
import type { ExportedLog, LoggedEvent, LogSource } from './exported-log.js';

export interface Reply<T = Record<string, unknown>> {
  readonly status: number;
  readonly bytes: string;
  readonly body: T;
}

export interface Request {
  readonly token: string;
  readonly path: string;
  readonly body: unknown;
  readonly key: string;
  /** of the card that was seen */
  readonly ifMatch?: string;
}

/** One POST; rejects when the connection breaks. */
export const post = async <T = Record<string, unknown>>(origin: string, { token, path, body, key, ifMatch }: Request): Promise<Reply<T>> => {
  const response = await fetch(`${origin}${path}`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'idempotency-key': key, ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }) }, body: JSON.stringify(body), signal: AbortSignal.timeout(30_000) });
  const bytes = await response.text();
  return { status: response.status, bytes, body: JSON.parse(bytes === '' ? '{}' : bytes) as T };
};

const passing = (reply: Reply | undefined): boolean => reply === undefined || reply.status >= 500 || reply.status === 429 || reply.body['code'] === 'IDEMPOTENCY_IN_FLIGHT';

/** The same request with the same key until it has an answer that stands, however often the server goes away. */
export const persistently = async <T = Record<string, unknown>>(origin: string, request: Request, withinMs = 120_000): Promise<Reply<T> & { readonly attempts: number }> => {
  const deadline = performance.now() + withinMs;
  for (let attempts = 1; ; attempts += 1) {
    const reply = await post<T>(origin, request).catch(() => undefined);
    if (reply !== undefined && !passing(reply as Reply)) return { ...reply, attempts };
    if (performance.now() > deadline) throw new Error(`POST ${request.path} had no answer in ${withinMs} ms; last: ${reply?.status} ${reply?.bytes}`);
    await delay(50);
  }
};

export interface Where {
  readonly urls: Readonly<Record<ServiceName, string>>;
  readonly adminToken: string;
  readonly trustedKeys: LogSource['trustedKeys'];
}

/** mail.send is allowed, ten thousand uses a grant for mail.bulk; pay.refund asks one approver; crm.update is allowed. */
export const POLICY = `version: 1
classes:
  mail: { kinds: [mail.send], default: allow, on_silence: unknown }
  bulk: { kinds: [mail.bulk], default: allow_with_caps, on_silence: expire, caps: { max_uses: 10000 } }
  few: { kinds: [mail.few], default: allow_with_caps, on_silence: expire, caps: { max_uses: 5 } }
  pay: { kinds: [pay.refund], default: require_approval, on_silence: unknown }
  crm: { kinds: [crm.update], default: allow, on_silence: unknown }
tools:
  mailer.send: { kind: mail.send, risk_points: 1 }
  mailer.bulk: { kind: mail.bulk, risk_points: 1 }
  mailer.few: { kind: mail.few, risk_points: 1 }
  billing.refund: { kind: pay.refund, risk_points: 5 }
  crm.update: { kind: crm.update, risk_points: 1 }
`;

const TOOL: Readonly<Record<string, string>> = { 'mail.send': 'mailer.send', 'mail.bulk': 'mailer.bulk', 'mail.few': 'mailer.few', 'pay.refund': 'billing.refund', 'crm.update': 'crm.update' };

export interface Proposing {
  readonly kind: string;
  readonly mode?: 'self' | 'managed';
  readonly scopePath?: string;
  readonly run?: string;
}

/** A tenant of its own for one run of a scenario, so that its log holds that run and nothing else. */
export class Tenant {
  private constructor(
    private readonly where: Where,
    readonly name: string,
    readonly agent: string,
    readonly operator: string,
    readonly approver: string,
    readonly auditor: string,
  ) {}

  static async create(where: Where, name: string, policy = POLICY): Promise<Tenant> {
    const admin = async (path: string, body: object): Promise<Record<string, string>> => {
      const reply = await persistently<Record<string, string>>(where.urls.policy, { token: where.adminToken, path, body: { tenant: name, ...body }, key: randomUUID() });
      if (reply.status >= 300) throw new Error(`POST ${path} answered ${reply.status} ${reply.bytes}`);
      return reply.body;
    };
    await admin('/v1/tenants', { display_name: name });
    await admin('/v1/agents', { agent: 'worker', display_name: 'Worker', scope_prefix: `tenant:${name}` });
    const { key } = await admin('/v1/agents/worker/keys', {});
    await admin('/v1/policies', { source: policy, reason: 'faults' });
    const person = async (id: string, ...roles: string[]): Promise<string> => (await admin('/v1/people', { person: id, subject: `local#${name}-${id}`, roles, issue_token: true }))['token'] ?? '';
    const [operator, approver, auditor] = [await person('olga', 'operator'), await person('anna', 'approver'), await person('ada', 'auditor')];
    const tenant = new Tenant(where, name, key ?? '', operator, approver, auditor);
    await tenant.known();
    return tenant;
  }

  /** Another agent of the tenant. @returns its key, once reservations knows it */
  async register(agent: string): Promise<string> {
    const admin = async (path: string, body: object): Promise<Record<string, string>> => {
      const reply = await persistently<Record<string, string>>(this.where.urls.policy, { token: this.where.adminToken, path, body: { tenant: this.name, ...body }, key: randomUUID() });
      if (reply.status >= 300) throw new Error(`POST ${path} answered ${reply.status} ${reply.bytes}`);
      return reply.body;
    };
    await admin('/v1/agents', { agent, display_name: agent, scope_prefix: this.scope });
    const { key = '' } = await admin(`/v1/agents/${agent}/keys`, {});
    await until(() => this.get('reservations', `/v1/balances?scope_path=${encodeURIComponent(this.scope)}`, key), ({ status }) => status !== 401 && status < 500, `reservations knows ${agent}`);
    return key;
  }

  get scope(): string {
    return `tenant:${this.name}`;
  }

  /** Another version of the policy, once reservations judges by it (when `inForce`). */
  async publish(source: string): Promise<number> {
    const { status, bytes, body } = await persistently(this.where.urls.policy, { token: this.where.adminToken, path: '/v1/policies', body: { tenant: this.name, source, reason: 'faults' }, key: randomUUID() });
    if (status >= 300) throw new Error(`publishing answered ${status} ${bytes}`);
    return body['policy_version'] as number;
  }

  async budget(cap: number, scopePath = this.scope, unit = 'RISK_POINTS'): Promise<string> {
    const { status, bytes, body } = await persistently(this.where.urls.reservations, { token: this.where.adminToken, path: '/v1/budgets', body: { tenant: this.name, scope_path: scopePath, unit, cap: String(cap) }, key: randomUUID() });
    if (status !== 201) throw new Error(`a budget answered ${status} ${bytes}`);
    return body['budget_id'] as string;
  }

  /** Held and committed over all budgets of a unit. */
  async balance(unit = 'RISK_POINTS'): Promise<{ readonly held: number; readonly committed: number }> {
    const { body } = await this.shown<{ items: readonly { held: string; committed: string }[] }>('reservations', `/v1/balances?unit=${unit}&limit=200`, this.operator);
    const sum = (field: 'held' | 'committed'): number => body.items.reduce((total, each) => total + Number(each[field]), 0);
    return { held: sum('held'), committed: sum('committed') };
  }

  async freezeStatus(freezeId: string): Promise<string | undefined> {
    const { body } = await this.shown<{ items: readonly { freeze_id: string; status: string }[] }>('reservations', '/v1/freezes?include_lifted=true&limit=200', this.operator);
    return body.items.find((each) => each.freeze_id === freezeId)?.status;
  }

  proposalOf({ kind, mode = 'self', scopePath = this.scope, run = 'run-1' }: Proposing): Record<string, unknown> {
    return { scope_path: scopePath, run_id: run, action_kind: kind, tool: { name: TOOL[kind] ?? kind, version: '1.0' }, target: 'ann', arguments: { to: 'ann', text: kind }, reversal: { reason: 'none is needed' }, execution_mode: mode };
  }

  async propose(asked: Proposing, token = this.agent): Promise<Proposed> {
    const { status, bytes, body } = await persistently<Record<string, unknown>>(this.where.urls.policy, { token, path: '/v1/actions', body: this.proposalOf(asked), key: randomUUID() });
    if (status !== 201) throw new Error(`a proposal answered ${status} ${bytes}`);
    return body as unknown as Proposed;
  }

  /** What the agent sends to reserve one use of an allowed action. */
  reserving(asked: Proposing, allowed: Pick<Proposed, 'grant' | 'target_hash' | 'arguments_hash'>, useNo?: number): Record<string, unknown> {
    const { scope_path, run_id, action_kind, tool, execution_mode } = this.proposalOf(asked);
    return { grant: allowed.grant, scope_path, run_id, action_kind, tool, execution_mode, arguments_hash: allowed.arguments_hash, ...(allowed.target_hash === undefined ? {} : { target_hash: allowed.target_hash }), ...(useNo === undefined ? {} : { use_no: useNo }) };
  }

  /** `howMany` allowed actions and their requests to reserve. */
  async reservable(asked: Proposing, howMany: number): Promise<Record<string, unknown>[]> {
    const requests: Record<string, unknown>[] = [];
    await Promise.all(Array.from({ length: Math.min(16, howMany) }, async () => {
      while (requests.length < howMany) {
        const slot = requests.push({}) - 1;
        requests[slot] = this.reserving(asked, await this.propose(asked));
      }
    }));
    return requests;
  }

  log(missing: (events: readonly LoggedEvent[]) => readonly string[], withinMs?: number): Promise<ExportedLog> {
    return settledLog({ url: this.where.urls.audit, auditorToken: this.auditor, trustedKeys: this.where.trustedKeys }, missing, withinMs);
  }

  /** GET as somebody of this tenant. */
  async get<T = Record<string, unknown>>(service: ServiceName, path: string, token: string): Promise<Reply<T> & { readonly etag: string }> {
    const response = await fetch(`${this.where.urls[service]}${path}`, { headers: { authorization: `Bearer ${token}` }, signal: AbortSignal.timeout(30_000) });
    const bytes = await response.text();
    return { status: response.status, bytes, body: JSON.parse(bytes === '' ? '{}' : bytes) as T, etag: response.headers.get('etag') ?? '' };
  }

  /** The same, asked again while a loaded machine has no answer. */
  private shown<T>(service: ServiceName, path: string, token: string): Promise<Reply<T>> {
    return until(() => this.get<T>(service, path, token), ({ status }) => status === 200, `GET ${path}`);
  }

  /** Approves as a person who has seen the card. */
  approve(approvalId: string): Promise<void> {
    return this.vote(approvalId, 'approve', {});
  }

  reject(approvalId: string): Promise<void> {
    return this.vote(approvalId, 'reject', { reason_code: 'other', reason: 'not this one' });
  }

  private async vote(approvalId: string, vote: 'approve' | 'reject', said: object): Promise<void> {
    const path = `/v1/approvals/${approvalId}`;
    const card = await until(() => this.get('approvals', path, this.approver), ({ status }) => status === 200, 'the card');
    const { status, bytes } = await persistently(this.where.urls.approvals, { token: this.approver, path: `${path}/${vote}`, body: { view_hash: card.body['view_hash'], ...said }, key: randomUUID(), ifMatch: card.etag });
    if (status !== 200) throw new Error(`${vote} answered ${status} ${bytes}`);
  }

  /** Each service learns of tenant, people and policy by events; a scenario begins when all have. */
  private async known(): Promise<void> {
    const services: readonly [ServiceName, string, string][] = [
      ['reservations', `/v1/balances?scope_path=${encodeURIComponent(this.scope)}`, this.agent],
      ['reservations', '/v1/freezes', this.operator],
      ['approvals', '/v1/approvals', this.approver],
      ['audit', '/v1/log/tree-head', this.auditor],
    ];
    for (const [service, path, token] of services) await until(() => this.get(service, path, token), ({ status }) => status !== 401 && status < 500, `${service} knows ${this.name}`);
  }
}

/** Asks again until it holds. @throws Error with the last answer */
export const until = async <T>(ask: () => Promise<T>, holds: (answer: T) => boolean, what: string, withinMs = PATIENCE_MS): Promise<T> => {
  const deadline = performance.now() + withinMs;
  for (;;) {
    // Not by instanceof: what fetch throws is an Error of another realm.
    const asked = await ask().then((answer) => ({ answer }), (error: unknown) => ({ error }));
    if ('answer' in asked && holds(asked.answer)) return asked.answer;
    if (performance.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms; last: ${'error' in asked ? String(asked.error) : JSON.stringify(asked.answer).slice(0, 800)}`);
    await delay(25);
  }
};
