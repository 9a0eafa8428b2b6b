import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import { canonicalBytes, saltedHash } from '@exequatur/kernel';
import type { JsonObject } from '@exequatur/kernel';
import type { Installation } from '../kit/installation.js';
import { persistently, Tenant, until } from '../kit/tenant.js';

/** Refunds of 100.00 dollars, each kind with other demands; small ones pass. Silence is short where it is what is tested. */
const POLICY = `version: 1
classes:
  pay: { kinds: [pay.refund], default: require_approval, on_silence: unknown, approval: { roles: [finance], on_timeout: { escalate: cfo } } }
  many: { kinds: [pay.many], default: require_approval, on_silence: expire, approval: { roles: [finance] }, caps: { max_uses: 400 } }
  several: { kinds: [pay.several], default: require_approval, on_silence: expire, approval: { roles: [finance] }, caps: { max_uses: 9, max_total: { USD: "700.00" } } }
  steps: { kinds: [pay.steps], default: require_approval, on_silence: expire, approval: { roles: [finance] }, caps: { max_uses: 9, max_total: { USD: "150.00" } }, varies: [/amount, { argument: /memo, one_of: [goodwill, damage] }] }
  freely: { kinds: [pay.freely], default: allow_with_caps, on_silence: expire, caps: { max_uses: 9 }, varies: /amount }
  guarded: { kinds: [pay.guarded], default: require_approval, on_silence: unknown, approval: { roles: [finance] } }
  dual: { kinds: [pay.dual], default: require_approval, on_silence: unknown, approval: { roles: [finance], quorum: 2 } }
  deny: { kinds: [pay.deny], default: require_approval, on_silence: unknown, approval: { roles: [finance], ttl: 2s, on_timeout: deny } }
  expire: { kinds: [pay.expire], default: require_approval, on_silence: unknown, approval: { roles: [finance], ttl: 2s, on_timeout: expire } }
  escalate: { kinds: [pay.escalate], default: require_approval, on_silence: unknown, approval: { roles: [finance], ttl: 4s, on_timeout: { escalate: cfo } } }
  senior: { kinds: [pay.senior], default: require_approval, on_silence: unknown, approval: { roles: [finance], ttl: 4s, on_timeout: { escalate: cfo }, escalation: 10m } }
  logged: { kinds: [pay.logged], default: allow, tier: log, sample: 1, on_silence: expire }
tools:
  billing.refund: { kind: pay.refund, risk_points: 1, target: /account, extract: { amount.USD: /amount }, bounded: [/amount] }
  billing.many: { kind: pay.many, risk_points: 1 }
  billing.several: { kind: pay.several, risk_points: 1, extract: { amount.USD: /amount } }
  billing.steps: { kind: pay.steps, risk_points: 1, target: /account, extract: { amount.USD: /amount }, bounded: [/amount] }
  billing.freely: { kind: pay.freely, risk_points: 1, extract: { amount.USD: /amount }, bounded: [/amount] }
  billing.guarded: { kind: pay.guarded, risk_points: 1 }
  billing.dual: { kind: pay.dual, risk_points: 1 }
  billing.deny: { kind: pay.deny, risk_points: 1 }
  billing.expire: { kind: pay.expire, risk_points: 1 }
  billing.escalate: { kind: pay.escalate, risk_points: 1 }
  billing.senior: { kind: pay.senior, risk_points: 1 }
  billing.logged: { kind: pay.logged, risk_points: 1 }
rules:
  - id: small
    match: { kind: pay.refund }
    when: "amount('USD') < money('10.00', 'USD')"
    decision: allow
    reason: Small refunds pass
`;

const PEOPLE: Readonly<Record<string, readonly string[]>> = { fiona: ['finance'], georg: ['finance'], carla: ['cfo'], erin: ['break-glass'], owen: ['finance', 'auditor'], pia: ['auditor'] };

export interface Asked {
  readonly action_id: string;
  readonly approval_id: string;
}

interface Claimable {
  readonly grant?: unknown;
  readonly arguments_hash?: unknown;
  readonly target_hash?: unknown;
}

type Body = Record<string, unknown>;

/** Class of actions that need a sign-in of the last minutes: an access token never is one. */
export const STEP_UP: Readonly<Record<string, string>> = { EXEQUATUR_STEP_UP: '{"guarded":300}' };

/** A tenant whose people decide, each with a token, and an agent that owen owns. */
export class Deciders {
  private runs = 0;

  private constructor(
    private readonly here: Installation,
    readonly tenant: Tenant,
    private readonly tokens: ReadonlyMap<string, string>,
    readonly agent: string,
  ) {}

  static async start(here: Installation): Promise<Deciders> {
    const tenant = await Tenant.create(here, `deciders-${randomUUID().slice(0, 8)}`, POLICY);
    const admin = async (path: string, body: object): Promise<Body> => {
      const { status, bytes, body: answer } = await persistently(here.urls.policy, { token: here.adminToken, path, body: { tenant: tenant.name, ...body }, key: randomUUID() });
      if (status >= 300) throw new Error(`POST ${path} answered ${status} ${bytes}`);
      return answer;
    };
    const tokens = new Map<string, string>();
    for (const [person, roles] of Object.entries(PEOPLE)) tokens.set(person, String((await admin('/v1/people', { person, subject: `local#${tenant.name}-${person}`, roles, issue_token: true }))['token']));
    await admin('/v1/agents', { agent: 'clerk', display_name: 'Clerk', owner: 'owen', scope_prefix: tenant.scope });
    const agent = String((await admin('/v1/agents/clerk/keys', {}))['key']);
    await tenant.budget(1_000_000);
    await tenant.budget(1_000_000_000_000_000, tenant.scope, 'USD_MICROCENTS');
    const people = new Deciders(here, tenant, tokens, agent);
    for (const service of ['approvals', 'reservations'] as const) await until(() => tenant.get(service, service === 'approvals' ? '/v1/approvals/00000000-0000-7000-8000-000000000000/questions' : `/v1/balances?scope_path=${encodeURIComponent(tenant.scope)}`, agent), ({ status }) => status !== 401 && status < 500, `${service} knows the agent`);
    for (const person of Object.keys(PEOPLE)) await until(() => tenant.get('approvals', '/v1/approvals', people.token(person)), ({ status }) => status === 200, `approvals knows ${person}`);
    return people;
  }

  token(person: string): string {
    return this.tokens.get(person) ?? '';
  }

  /** What needs nobody: allowed at once. @returns its id */
  async allowed(kind: string, verdict = 'ALLOW'): Promise<string> {
    const { status, body } = await persistently(this.here.urls.policy, { token: this.agent, path: '/v1/actions', body: { ...this.action(kind), run_id: `run-${(this.runs += 1)}` }, key: randomUUID() });
    expect([status, body['verdict']]).toEqual([201, verdict]);
    return String(body['action_id']);
  }

  /** The review of an action that was drawn, once it stands. */
  reviewed(actionId: string, person: string): Promise<Body> {
    return until(() => this.tenant.get('approvals', `/v1/approvals/reviews/${actionId}`, this.token(person)), ({ status }) => status === 200, 'the review').then(({ body }) => body);
  }

  /** @returns the judgement, or the code it is refused with */
  async judge(actionId: string, person: string, body: object): Promise<string> {
    const answer = (await persistently(this.here.urls.approvals, { token: this.token(person), path: `/v1/approvals/reviews/${actionId}`, body, key: randomUUID() })).body;
    return String(answer['code'] ?? answer['judgement']);
  }

  /** A refund of 100.00 dollars that waits for people, on their card. */
  async ask(kind: string): Promise<Asked> {
    const { status, bytes, body } = await persistently(this.here.urls.policy, { token: this.agent, path: '/v1/actions', body: { ...this.action(kind), run_id: `run-${(this.runs += 1)}` }, key: randomUUID() });
    expect([status, bytes]).toEqual([201, expect.stringContaining('approval_id')]);
    return this.found(String(body['action_id']));
  }

  /** An action that waits, by its id, once its card is there. */
  async found(actionId: string): Promise<Asked> {
    const { approval_id } = await this.reads({ action_id: actionId, approval_id: '' }, { approval_id: expect.any(String) as unknown });
    const asked = { action_id: actionId, approval_id: String(approval_id) };
    await this.card(asked);
    return asked;
  }

  /** As somebody who saw the card as it is. @throws Error unless it is done */
  async decide(asked: Asked, verb: string, person: string, body: object = {}): Promise<Body> {
    const { status, answer } = await this.send(asked, verb, this.token(person), body);
    expect([verb, status, answer]).toEqual([verb, 200, answer]);
    return answer;
  }

  /** @returns the code it is refused with */
  async tries(asked: Asked, verb: string, person: string, body: object = {}): Promise<string> {
    const { answer } = await this.send(asked, verb, this.token(person), body);
    return String(answer['code']);
  }

  /** As it is shown to people. */
  async cardOf(asked: Asked): Promise<Body> {
    return (await this.card(asked)).body;
  }

  async triesAsAgent(asked: Asked, verb: string): Promise<string> {
    return String((await this.send(asked, verb, this.agent, {})).answer['code']);
  }

  async withdraw({ action_id }: Asked): Promise<void> {
    const { status, bytes } = await persistently(this.here.urls.policy, { token: this.agent, path: `/v1/actions/${action_id}/withdraw`, body: { reason: 'no longer needed' }, key: randomUUID() });
    expect([status, bytes]).toEqual([200, bytes]);
  }

  /** The agent answers what it was asked. */
  async answer({ approval_id }: Asked, answer: string): Promise<void> {
    const { body } = await this.tenant.get<{ items: readonly { question_id: string }[] }>('approvals', `/v1/approvals/${approval_id}/questions`, this.agent);
    const { status, bytes } = await persistently(this.here.urls.approvals, { token: this.agent, path: `/v1/approvals/${approval_id}/give-information`, body: { question_id: body.items[0]?.question_id, answer }, key: randomUUID() });
    expect([status, bytes]).toEqual([200, bytes]);
  }

  async view({ action_id }: Asked): Promise<Body> {
    return (await this.tenant.get('policy', `/v1/actions/${action_id}`, this.agent)).body;
  }

  /** Waits until the agent reads this of its action. */
  reads(asked: Asked, expected: object): Promise<Body> {
    const read = async (): Promise<Body> => {
      const body = await this.view(asked);
      expect(body).toMatchObject(expected);
      return body;
    };
    return until(read, () => true, `the agent reads ${JSON.stringify(expected)}`);
  }

  /** Waits until approvals says that nothing can be consumed any more. */
  async effective(asked: Asked): Promise<void> {
    await until(() => this.shown(asked), ({ body }) => (body['resolution'] as Body | null)?.['effective_at'] !== undefined, 'the revocation is effective');
  }

  /** Waits until the senior role may answer. */
  async senior(asked: Asked): Promise<void> {
    await until(() => this.shown(asked), ({ body }) => (body['escalated_to'] as { roles: readonly string[] }).roles.includes('cfo'), 'it is given to the senior role');
  }

  claiming(kind: string, { grant, arguments_hash, target_hash }: Claimable, useNo?: number): Body {
    const { scope_path, action_kind, tool, execution_mode } = this.action(kind);
    const claims = JSON.parse(Buffer.from(String(grant).split('.')[1] ?? '', 'base64url').toString()) as { run_id: string };
    return { grant, scope_path, run_id: claims.run_id, action_kind, tool, execution_mode, arguments_hash, ...(target_hash === undefined ? {} : { target_hash }), ...(useNo === undefined ? {} : { use_no: useNo }) };
  }

  /** @returns `held`, or the code of the refusal */
  async claims(kind: string, granted: Claimable, useNo?: number): Promise<string> {
    const { status, body } = await persistently(this.here.urls.reservations, { token: this.agent, path: '/v1/reservations', body: this.claiming(kind, granted, useNo), key: randomUUID() });
    return status === 201 ? 'held' : String(body['code']);
  }

  /** A use with other arguments than those that were granted. @returns as `claims` */
  async claimsWith(kind: string, granted: Claimable & { readonly salt?: unknown }, useNo: number, changed: JsonObject): Promise<string> {
    const args: JsonObject = { ...this.argumentsOf(kind), ...changed };
    const arguments_hash = saltedHash(Buffer.from(String(granted.salt), 'base64url'), canonicalBytes(args));
    const body = { ...this.claiming(kind, { ...granted, arguments_hash }, useNo), arguments: args, salt: granted.salt };
    const { status, body: answer } = await persistently(this.here.urls.reservations, { token: this.agent, path: '/v1/reservations', body, key: randomUUID() });
    return status === 201 ? 'held' : String(answer['code']);
  }

  /** Names of what the request's stream holds, refused attempts left out. */
  async eventsOf({ approval_id }: Asked): Promise<readonly string[]> {
    const rows = await this.here.rows<{ type: string }>("SELECT type FROM approvals.event WHERE aggregate = 'approval' AND subject = $1 ORDER BY version", [approval_id]);
    return rows.map(({ type }) => type.split('.').at(-2) ?? '').filter((name) => name !== 'VoteRefused');
  }

  private action(kind: string) {
    return { scope_path: this.tenant.scope, action_kind: kind, tool: { name: `billing.${kind.split('.')[1]}`, version: '1.0' }, arguments: this.argumentsOf(kind), environment: 'prod', reversal: { handle: 'undo' }, execution_mode: 'self' };
  }

  private argumentsOf(kind: string): JsonObject {
    return { account: 'acct_7', amount: '100.00', ...(kind === 'pay.steps' ? { memo: 'goodwill' } : {}) };
  }

  private shown({ approval_id }: Asked) {
    return this.tenant.get('approvals', `/v1/approvals/${approval_id}`, this.tenant.approver);
  }

  private card(asked: Asked) {
    return until(() => this.shown(asked), ({ status }) => status === 200, 'the card');
  }

  private async send(asked: Asked, verb: string, token: string, body: object): Promise<{ readonly status: number; readonly answer: Body }> {
    const card = await this.card(asked);
    const voting = ['approve', 'edit', 'reject', 'respond', 'break-glass'].includes(verb);
    const request = { token, path: `/v1/approvals/${asked.approval_id}/${verb}`, body: { ...(voting ? { view_hash: card.body['view_hash'] } : {}), ...body }, key: randomUUID(), ifMatch: card.etag };
    const { status, body: answer } = await persistently(this.here.urls.approvals, request);
    return { status, answer };
  }
}
