import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { VERDICTS } from '@exequatur/contracts';
import type { Code } from '@exequatur/contracts';
import { describeWithKafka } from '@exequatur/testing';
import { Installation } from './kit/installation.js';
import { committedEvents, eventsNamed, everythingOf } from './kit/ledger.js';
import { isLongRun } from './kit/seeds.js';
import { POLICY, Tenant, until } from './kit/tenant.js';
import { httpDoor, intakeDoor } from './policies/doors.js';
import type { Door, Shown } from './policies/doors.js';
import { everyPack, proposalIn } from './policies/packs.js';
import type { Pack } from './policies/packs.js';
import { publishUnderLoad } from './policies/publishing-load.js';
import { ClaimedActions } from './policies/claimed-actions.js';
import { holdKey } from './policies/held-key.js';

const SLOW = 600_000;
/** Publication every second for so long. */
const LOAD_SECONDS = isLongRun() || process.env['EXEQUATUR_LONG'] === '1' ? 60 : 8;

/** Reason codes of a proposal (contracts.md "Reason codes"): those of verdicts, those of what its claim meets, and refusals. */
const OF_VERDICTS: readonly Code[] = ['POLICY_DENIED', 'APPROVAL_REQUIRED', 'QUARANTINED_UNKNOWN_KIND', 'QUARANTINED_POLICY_ERROR', 'QUARANTINED_OUT_OF_BOUNDS', 'TOOL_NOT_ALLOWED'];

const research = { action_kind: 'research.search', tool: { name: 'web.search', version: '1.0' }, arguments: { query: 'Vienna' } };
const mailTo = (to: string) => ({ action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, arguments: { to, subject: 'Hello' } });
/** In test the payments pack lets through what is below its large refunds; its runs may spend 2,000 dollars. */
const refund = { action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1.0' }, arguments: { account: 'A-7', amount: '900.00', environment: 'test' } };

const onTopology = (start: () => Promise<Installation>, open: (here: Installation) => Promise<Door>): void => {
  let here: Installation;
  let door: Door;
  let actions: ClaimedActions;
  const packs = new Map<string, { readonly pack: Pack; readonly tenant: Tenant }>();
  const tenantOf = (pack: string): Tenant => {
    const found = packs.get(pack);
    if (found === undefined) throw new Error(`there is no pack ${pack}`);
    return found.tenant;
  };
  let runs = 0;
  const proposal = (tenant: Tenant, part: object, run = `run-${(runs += 1)}`) => ({ scope_path: tenant.scope, run_id: run, execution_mode: 'self', reversal: { handle: 'undo' }, ...part });

  beforeAll(async () => {
    here = await start();
    door = await open(here);
    actions = new ClaimedActions(here);
    await Promise.all(everyPack().map(async (pack) => packs.set(pack.name, { pack, tenant: await Tenant.create(here, `${pack.name}-${randomUUID().slice(0, 8)}`, pack.source) })));
  }, SLOW);
  afterAll(async () => {
    await door.close();
    await here.stop();
  }, SLOW);

  test('P2: every case of every pack is decided as the pack says, every verdict and every code of a verdict among them', async () => {
    const reached = new Set<string>();
    const cases = [...packs.values()].flatMap(({ pack, tenant }) => pack.cases.map((one) => ({ pack: pack.name, one, tenant })));
    await Promise.all(cases.map(async ({ pack, one, tenant }) => {
      const { verdict, code, tier, rule_id } = await door.propose(tenant, proposalIn(tenant.name, one, `case-${one.line}`));
      const { expected } = one;
      const got = { verdict, code, tier, rule: rule_id };
      expect([pack, one.name, got]).toEqual([pack, one.name, { ...got, ...pick(expected, 'verdict'), ...pick(expected, 'code'), ...pick(expected, 'tier'), ...pick(expected, 'rule') }]);
      for (const each of [verdict, code]) if (each !== undefined) reached.add(each);
    }));
    console.log(`${door.name}: ${cases.length} cases of ${packs.size} packs`);
    expect([...VERDICTS, ...OF_VERDICTS].filter((each) => !reached.has(each))).toEqual([]);
  }, SLOW);

  test('PREVIOUSLY_REJECTED: what a person refused is not asked again', async () => {
    const tenant = tenantOf('outreach');
    const mail = proposal(tenant, mailTo('ann@customer.example'));
    const first = await door.propose(tenant, mail);
    await actions.reject(tenant, first);
    expect(await door.propose(tenant, mail)).toMatchObject({ verdict: 'DENY', status: 'denied', code: 'PREVIOUSLY_REJECTED', stop_reason: 'approval_rejected' });
  }, SLOW);

  test('P3: silence ends as the policy file says: denied, a logged no-op, or given to a senior role; never a yes', async () => {
    const silent = (kind: string, ending: string): string => `  ${kind}: { kinds: [note.${kind}], default: require_approval, approval: { roles: [approver], ttl: 1s, on_timeout: ${ending} } }\n`;
    const tenant = await Tenant.create(here, `silence-${randomUUID().slice(0, 8)}`, `version: 1\nclasses:\n${silent('deny', 'deny')}${silent('expire', 'expire')}${silent('escalate', '{ escalate: cfo }, escalation: 1h')}`);
    const cfo = await actions.personWith(tenant, 'fiona', 'cfo');
    const ask = (kind: string): Promise<Shown> => door.propose(tenant, proposal(tenant, { action_kind: `note.${kind}`, tool: { name: 'notes', version: '1' }, arguments: {} }));
    const [denied, expired, escalated] = await Promise.all([ask('deny'), ask('expire'), ask('escalate')]);
    for (const { action_id } of [denied, expired]) {
      const view = await until(() => tenant.get<Shown>('policy', `/v1/actions/${action_id}`, tenant.agent), ({ body }) => body.status !== 'awaiting_approval', 'the end in silence');
      expect(view.body).toMatchObject({ status: 'expired', stop_reason: 'approval_timeout' });
    }
    await actions.approveOnceAllowed(tenant, escalated, cfo);
    await until(() => tenant.get<Shown>('policy', `/v1/actions/${escalated.action_id}`, tenant.agent), ({ body }) => body.status === 'granted', 'the grant of the senior role');
  }, SLOW);

  test('RUN_LIMIT_EXCEEDED: an allowed action past what its run may spend', async () => {
    const tenant = tenantOf('payments');
    await tenant.budget(1_000);
    await tenant.budget(10_000_000_000_000, tenant.scope, 'USD_MICROCENTS');
    const run = `spending-${randomUUID()}`;
    for (const code of ['held', 'held', 'RUN_LIMIT_EXCEEDED']) expect([code, await actions.claim(tenant, await door.propose(tenant, proposal(tenant, refund, run)))]).toEqual([code, code]);
    await actions.stoppedBy(tenant, run, 'run_limit');
  }, SLOW);

  test('FROZEN: an allowed action of a kind that a person froze', async () => {
    const tenant = tenantOf('outreach');
    const asked = proposal(tenant, research);
    const allowed = await door.propose(tenant, asked);
    const lift = await actions.freeze(tenant, 'kind', 'research.search');
    expect(allowed.verdict).toBe('ALLOW');
    expect(await actions.claim(tenant, allowed)).toBe('FROZEN');
    await actions.stoppedBy(tenant, asked.run_id, 'frozen');
    await lift();
  }, SLOW);

  test('CIRCUIT_OPEN: an allowed action of an agent whose proposals people keep refusing', async () => {
    const tenant = tenantOf('outreach');
    // Twenty decisions are the volume a circuit needs where policy says nothing else.
    await Promise.all(Array.from({ length: 20 }, async (_, nth) => actions.reject(tenant, await door.propose(tenant, proposal(tenant, mailTo(`stranger-${nth}@customer.example`))))));
    await actions.circuitOpen(tenant);
    const asked = proposal(tenant, research);
    expect(await actions.claim(tenant, await door.propose(tenant, asked))).toBe('CIRCUIT_OPEN');
    await actions.stoppedBy(tenant, asked.run_id, 'circuit_open');
  }, SLOW);

  test('MALFORMED, TOO_LARGE, IDEMPOTENCY_KEY_REUSED: refused before anything is decided', async () => {
    const tenant = tenantOf('outreach');
    const text = JSON.stringify(proposal(tenant, research));
    expect(await door.refusal(tenant, text.replace('"run_id":', '"run_id":"other","run_id":'))).toBe('MALFORMED');
    expect(await door.refusal(tenant, JSON.stringify(proposal(tenant, { ...research, arguments: { query: 'x'.repeat(300 * 1024) } })))).toBe('TOO_LARGE');
    const key = randomUUID();
    await door.propose(tenant, proposal(tenant, research), key);
    expect(await door.refusal(tenant, text, key)).toBe('IDEMPOTENCY_KEY_REUSED');
  }, SLOW);

  test('IDEMPOTENCY_IN_FLIGHT: while the first request with a key runs elsewhere; HTTP says so, a message waits', async () => {
    const tenant = tenantOf('outreach');
    const key = randomUUID();
    const asked = proposal(tenant, research);
    const release = await holdKey(here, tenant, key);
    if (door.name === 'http') {
      expect(await door.refusal(tenant, JSON.stringify(asked), key)).toBe('IDEMPOTENCY_IN_FLIGHT');
      await release();
    } else {
      const decided = door.propose(tenant, asked, key);
      await until(async () => (await fetch(`${here.urls.policy}/readyz`)).text(), (said) => said.includes('intake'), 'the message waits, and policy says so');
      expect((await tenant.get<{ items: unknown[] }>('policy', `/v1/actions?idempotency_key=${key}`, tenant.agent)).body.items).toEqual([]);
      await release();
      expect(await decided).toMatchObject({ verdict: 'ALLOW' });
    }
    expect(await door.propose(tenant, asked, key)).toMatchObject({ verdict: 'ALLOW' });
  }, SLOW);

  test('invariant 13: with a publication every second under load, nothing is decided or claimed under a hash that is no longer in force', async () => {
    const tenant = await Tenant.create(here, `publishing-${randomUUID().slice(0, 8)}`, POLICY);
    await tenant.budget(1_000_000);
    const { hashes, decisions, claims } = await publishUnderLoad(here, tenant, LOAD_SECONDS);
    const decided = decisions.filter(({ reply }) => reply.status === 201);
    const held = claims.filter(({ reply }) => reply.status === 201);
    const refused = claims.filter(({ reply }) => reply.body['code'] === 'POLICY_CHANGED_DENY');
    console.log(`${LOAD_SECONDS} s, ${hashes.size} publications: ${decided.length} decisions, ${held.length} claims held, ${refused.length} refused`);
    // It was loaded, and versions changed what was answered.
    expect([decided.length > 10, held.length > 10, refused.length > 0]).toEqual([true, true, true]);
    expect(new Set(decided.map(({ reply }) => reply.body['verdict']))).toEqual(new Set(['ALLOW_WITH_CAPS', 'DENY']));
    expect(claims.flatMap(({ reply }) => (reply.status === 201 ? [] : [String(reply.body['code'])])).filter((code) => !['POLICY_CHANGED_DENY', 'BUSY', 'DEPENDENCY_DOWN', 'POLICY_NOT_YET_KNOWN', 'GRANT_EXHAUSTED'].includes(code))).toEqual([]);

    expect(decided.filter(({ floor, reply: { body } }) => (body['policy_version'] as number) < floor)).toEqual([]);
    expect(decided.filter(({ reply: { body } }) => (body['policy_version'] as number) > 1 && hashes.get(body['policy_version'] as number) !== body['policy_hash'])).toEqual([]);
    const floors = new Map(held.map(({ floor, reply }) => [reply.body['reservation_id'], floor]));
    const events = await eventsNamed(here.rows, tenant.name, 'ReservationHeld');
    expect(events.filter((data) => (data['policy_version'] as number) < (floors.get(data['reservation_id']) ?? 0))).toEqual([]);
    expect(events.filter((data) => (data['policy_version'] as number) > 1 && hashes.get(data['policy_version'] as number) !== data['policy_hash'])).toEqual([]);
    // By the fence: what was claimed in an epoch was claimed under the version that began it, or a later one.
    const switches = await eventsNamed(here.rows, tenant.name, 'PolicyInForce');
    const begun = (epoch: number): number => Math.max(0, ...switches.filter((data) => (data['fence_epoch'] as number) <= epoch).map((data) => data['policy_version'] as number));
    expect(events.filter((data) => (data['policy_version'] as number) !== begun(data['fence_epoch'] as number))).toEqual([]);
    expect(events.filter((data) => (data['policy_version'] as number) % 2 === 0)).toEqual([]);

    const { report } = await tenant.log(everythingOf(await committedEvents(here.rows, tenant.name)));
    expect(report).toMatchObject({ result: 'valid', violations: [] });
  }, SLOW);
};

const pick = <T extends object, K extends keyof T>(from: T, key: K): Partial<Record<K, T[K]>> => (from[key] === undefined ? {} : ({ [key]: from[key] } as Record<K, T[K]>));

describe('policies over HTTP, two processes of reservations on the PostgreSQL transport', () => onTopology(() => Installation.start({ transport: 'postgres', instances: 2 }), (here) => Promise.resolve(httpDoor(here))));
describeWithKafka('policies over the intake topic of Kafka', () => onTopology(() => Installation.start({ transport: 'kafka' }), intakeDoor));
