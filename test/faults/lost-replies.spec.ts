import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { describeWithKafka } from '@exequatur/testing';
import { startFaultProxy } from './kit/fault-proxy.js';
import type { FaultProxy } from './kit/fault-proxy.js';
import { Installation } from './kit/installation.js';
import { committedEvents, effectsOf, everythingOf, notLogged } from './kit/ledger.js';
import { openCircuits, POLICY_WITH_CIRCUITS } from './kit/open-circuits.js';
import { writesOf } from './kit/service-writes.js';
import { startStandaloneVictim } from './kit/standalone-victim.js';
import type { Running } from './kit/standalone-victim.js';
import { persistently, post, Tenant } from './kit/tenant.js';
import type { Request } from './kit/tenant.js';

const SLOW = 600_000;

interface Write extends Omit<Request, 'key'> {
  /** the same write with another meaning, under the same key */
  readonly otherBody: unknown;
  /** how a key with another body is refused; 422 when left out */
  readonly mismatch?: number;
}
type Row = readonly [title: string, endpoint: string, prepare: (here: Here) => Promise<Write>];

/** What the rows of the matrix stand on. */
class Here {
  constructor(
    private readonly running: Running,
    readonly tenant: Tenant,
    /** of another agent, so that it stops nobody here: each is moved by one row */
    private readonly circuits: readonly string[],
  ) {}

  async request(): Promise<Record<string, unknown>> {
    const asked = { kind: 'mail.send' };
    // Held for longer than the matrix takes: what a sweep gives back would change the balance by itself.
    return { ...this.tenant.reserving(asked, await this.tenant.propose(asked)), ttl_ms: 600_000 };
  }

  /** A write that must succeed, made on the way to the one under test. */
  async made(request: Omit<Request, 'key'>): Promise<Record<string, unknown>> {
    const { status, bytes, body } = await persistently(this.running.urls.reservations, { ...request, key: randomUUID() });
    if (status >= 300) throw new Error(`POST ${request.path} answered ${status} ${bytes}`);
    return body;
  }

  async held(): Promise<string> {
    return (await this.made({ token: this.tenant.agent, path: '/v1/reservations', body: await this.request() }))['reservation_id'] as string;
  }

  async step(step: string, body: object, otherBody: object): Promise<Write> {
    return { token: this.tenant.agent, path: `/v1/reservations/${await this.held()}/${step}`, body, otherBody };
  }

  async budgetStep(step: string, body: object, otherBody: object): Promise<Write> {
    const { budget_id } = await this.made({ token: this.tenant.operator, path: '/v1/budgets', body: { scope_path: `${this.tenant.scope}/app:${randomUUID().slice(0, 8)}`, unit: 'CALLS', cap: '10' } });
    return { token: this.tenant.operator, path: `/v1/budgets/${budget_id as string}/${step}`, body, otherBody };
  }

  async circuitStep(nth: number, step: string, body: object): Promise<Write> {
    const path = `/v1/circuits/${this.circuits[nth] ?? ''}/${step}`;
    return Promise.resolve({ token: this.tenant.operator, path, body: { ...body, reason: 'looked at it' }, otherBody: { ...body, reason: 'looked twice' } });
  }

  /** A grant of its own, to be handed on. */
  async handOn(): Promise<Write> {
    const { grant, grant_id } = await this.tenant.propose({ kind: 'mail.bulk' });
    const body = { parent: { type: 'grant', id: grant_id }, grant, to_agent: OTHER_AGENT, authority: { max_uses: 3 } };
    return { token: this.tenant.agent, path: '/v1/delegations', body, otherBody: { ...body, authority: { max_uses: 2 } } };
  }

  async unknown(): Promise<string> {
    const id = await this.held();
    await this.made({ token: this.tenant.agent, path: `/v1/reservations/${id}/outcome`, body: { status: 'UNKNOWN' } });
    return id;
  }
}

const UNIT = 'USD_MICROCENTS';

/** Cycles keeps the key in the body, refuses another one with 409, and counts the time that is left anew in each answer. */
const cycles = (path: string, body: object, other: object) => (here: Here): Write => {
  const idempotency_key = randomUUID();
  return { token: here.tenant.agent, path: `/cycles/v1/${path}`, body: { idempotency_key, ...body }, otherBody: { idempotency_key, ...body, ...other }, mismatch: 409 };
};
const usage = (amount: number, as: 'estimate' | 'actual') => ({ subject: { agent: 'worker' }, action: { kind: 'llm.completion', name: 'model' }, [as]: { unit: UNIT, amount } });
const cyclesStep = (step: string, body: object, other: object) => async (here: Here): Promise<Write> => {
  const { body: held, ...create } = cycles('reservations', usage(5, 'estimate'), {})(here);
  const { reservation_id } = await here.made({ ...create, body: held });
  return cycles(`reservations/${reservation_id as string}/${step}`, body, other)(here);
};
const timeless = (bytes: string): string => bytes.replace(/"remaining_ttl_ms":\d+/g, '"remaining_ttl_ms":0');

const OTHER_AGENT = 'helper';

const oneCall = [{ unit: 'RISK_POINTS', amount: '0' }];

/** Every write of reservations over HTTP. One that the service describes and that is not here fails the suite. */
const MATRIX: readonly Row[] = [
  ['reserve', '/v1/reservations', async (here) => ({ token: here.tenant.agent, path: '/v1/reservations', body: await here.request(), otherBody: await here.request() })],
  ['reserve, refused', '/v1/reservations', async (here) => {
    const body = { ...(await here.request()), arguments_hash: `sha256:${'0'.repeat(64)}` };
    return { token: here.tenant.agent, path: '/v1/reservations', body, otherBody: { ...body, arguments_hash: `sha256:${'1'.repeat(64)}` } };
  }],
  ['start', '/v1/reservations/{id}/start', async (here) => ({ ...(await here.step('start', {}, {})), otherBody: { unexpected: true } })],
  ['outcome SUCCEEDED', '/v1/reservations/{id}/outcome', (here) => here.step('outcome', { status: 'SUCCEEDED', provider_request_id: 'r-1' }, { status: 'FAILED' })],
  ['outcome FAILED', '/v1/reservations/{id}/outcome', (here) => here.step('outcome', { status: 'FAILED' }, { status: 'SUCCEEDED' })],
  ['outcome UNKNOWN', '/v1/reservations/{id}/outcome', (here) => here.step('outcome', { status: 'UNKNOWN' }, { status: 'SUCCEEDED' })],
  ['commit', '/v1/reservations/{id}/commit', (here) => here.step('commit', { actual: oneCall }, {})],
  ['release', '/v1/reservations/{id}/release', (here) => here.step('release', { reason: 'not_needed' }, {})],
  ['extend', '/v1/reservations/{id}/extend', (here) => here.step('extend', { by_ms: 60_000 }, { by_ms: 30_000 })],
  ['reconcile', '/v1/reservations/{id}/reconcile', async (here) => ({ token: here.tenant.operator, path: `/v1/reservations/${await here.unknown()}/reconcile`, body: { result: 'executed', reason: 'seen' }, otherBody: { result: 'executed', reason: 'seen again' } })],
  ['define a budget', '/v1/budgets', (here) => Promise.resolve({ token: here.tenant.operator, path: '/v1/budgets', body: { scope_path: `${here.tenant.scope}/app:${randomUUID().slice(0, 8)}`, unit: 'CALLS', cap: '10' }, otherBody: { scope_path: `${here.tenant.scope}/app:other`, unit: 'CALLS', cap: '10' } })],
  ['adjust a budget', '/v1/budgets/{id}/adjust', (here) => here.budgetStep('adjust', { cap: '20', reason: 'more' }, { cap: '30', reason: 'more' })],
  ['fund a budget', '/v1/budgets/{id}/fund', (here) => here.budgetStep('fund', { amount: '5', reason: 'more' }, { amount: '6', reason: 'more' })],
  ['close a budget', '/v1/budgets/{id}/close', (here) => here.budgetStep('close', { reason: 'done' }, { reason: 'really done' })],
  ['apply a freeze', '/v1/freezes', (here) => Promise.resolve({ token: here.tenant.operator, path: '/v1/freezes', body: { scope: 'agent', value: 'nobody', reason: 'drill' }, otherBody: { scope: 'agent', value: 'somebody', reason: 'drill' } })],
  ['lift a freeze', '/v1/freezes/{id}/lift', async (here) => {
    const { freeze_id } = await here.made({ token: here.tenant.operator, path: '/v1/freezes', body: { scope: 'agent', value: 'nobody', reason: 'drill' } });
    return { token: here.tenant.operator, path: `/v1/freezes/${freeze_id as string}/lift`, body: { reason: 'over' }, otherBody: { reason: 'really over' } };
  }],
  ['half-open a circuit', '/v1/circuits/{id}/half-open', (here) => here.circuitStep(0, 'half-open', { probes: 2 })],
  ['close a circuit', '/v1/circuits/{id}/close', (here) => here.circuitStep(1, 'close', {})],
  ['hand a grant on', '/v1/delegations', (here) => here.handOn()],
  ['revoke a delegation', '/v1/delegations/{id}/revoke', async (here) => {
    const { otherBody: _, ...asked } = await here.handOn();
    const { delegation_id } = await here.made(asked);
    return { token: here.tenant.agent, path: `/v1/delegations/${delegation_id as string}/revoke`, body: { reason: 'over' }, otherBody: { reason: 'really over' } };
  }],
  ['Cycles: reserve', '/cycles/v1/reservations', (here) => Promise.resolve(cycles('reservations', usage(5, 'estimate'), usage(6, 'estimate'))(here))],
  ['Cycles: commit', '/cycles/v1/reservations/{id}/commit', cyclesStep('commit', { actual: { unit: UNIT, amount: 3 } }, { actual: { unit: UNIT, amount: 4 } })],
  ['Cycles: release', '/cycles/v1/reservations/{id}/release', cyclesStep('release', {}, { reason: 'other' })],
  ['Cycles: extend', '/cycles/v1/reservations/{id}/extend', cyclesStep('extend', { extend_by_ms: 20_000 }, { extend_by_ms: 10_000 })],
  ['Cycles: usage nobody reserved', '/cycles/v1/events', (here) => Promise.resolve(cycles('events', usage(5, 'actual'), usage(6, 'actual'))(here))],
];

/** Scenario 3 of reliability.md: the server committed, the reply never came, the client asks again. */
const lostReplies = (start: () => Promise<Running>): void => {
  let running: Running;
  let proxy: FaultProxy;
  let here: Here;
  let writes: readonly string[];
  beforeAll(async () => {
    running = await start();
    proxy = await startFaultProxy({ port: Number(new URL(running.urls.reservations).port) });
    proxy.behave({ kind: 'swallow' });
    const tenant = await Tenant.create(running, `lost-${randomUUID().slice(0, 8)}`, POLICY_WITH_CIRCUITS);
    await tenant.budget(1_000);
    await tenant.budget(1_000_000, tenant.scope, UNIT);
    here = new Here(running, tenant, await openCircuits(tenant, await tenant.register(OTHER_AGENT)));
    writes = await writesOf(running.urls.reservations, 'reservations');
    // Once something is held, reservations knows the policy: no reply is "come back later".
    await here.held();
  }, SLOW);
  afterAll(async () => {
    await proxy.stop();
    await running.stop();
  }, SLOW);

  /** What the client never saw. One that says "later", as on a loaded machine, is no reply to a write: the same bytes are sent again. */
  const lostReply = async (request: Request): Promise<FaultProxy['swallowed'][number] | undefined> => {
    for (;;) {
      const seen = proxy.swallowed.length;
      await expect(post(proxy.url, request)).rejects.toThrow();
      const lost = proxy.swallowed[seen];
      if (lost === undefined || (lost.status < 500 && lost.status !== 429)) return lost;
    }
  };

  test('every write that the service describes is in the matrix', () => {
    expect(writes.length).toBeGreaterThan(18);
    const rows = [...new Set(MATRIX.map(([, endpoint]) => `POST ${endpoint}`))];
    expect([...rows].sort()).toEqual([...writes].sort());
  });

  test.each(MATRIX)('invariant 21: %s: the same bytes once more, and nothing happens twice', async (_, __, prepare) => {
    const { otherBody, mismatch = 422, ...write } = await prepare(here);
    const request: Request = { ...write, key: randomUUID() };
    const before = await effectsOf(running.rows, here.tenant.name);
    const lost = await lostReply(request);
    const after = await effectsOf(running.rows, here.tenant.name);
    const balance = await here.tenant.balance();
    // The fault happened: the server answered, and had done something.
    expect(lost).toBeDefined();
    expect(after).toBeGreaterThan(before);

    for (let again = 0; again < 2; again += 1) {
      const reply = await persistently(running.urls.reservations, request);
      expect({ status: reply.status, body: timeless(reply.bytes) }).toEqual({ status: lost?.status, body: timeless(lost?.body ?? '') });
    }
    const other = await persistently(running.urls.reservations, { ...request, body: otherBody });
    expect(other.status).toBe(mismatch);
    expect(await effectsOf(running.rows, here.tenant.name)).toBe(after);
    expect(await here.tenant.balance()).toEqual(balance);
  }, SLOW);

  test('invariants 19, 20: the log holds all of it once, and is valid', async () => {
    const committed = await committedEvents(running.rows, here.tenant.name);
    const { report, events } = await here.tenant.log(everythingOf(committed));
    expect(notLogged(committed, events)).toEqual([]);
    expect(report).toMatchObject({ result: 'valid', violations: [] });
    console.log(`lost replies: ${proxy.swallowed.length} swallowed, ${report.counts.leaves} leaves`);
  }, SLOW);
};

describe('replies lost by one process', () => lostReplies(startStandaloneVictim));
describeWithKafka('replies lost by five processes over Kafka', () => lostReplies(() => Installation.start({ transport: 'kafka' })));
