import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { CODES } from '@exequatur/contracts';
import type { Code, ServiceName } from '@exequatur/contracts';
import type { JsonObject } from '@exequatur/kernel';
import { describeWithKafka } from '@exequatur/testing';
import { Deciders, STEP_UP } from './decisions/deciders.js';
import type { Asked } from './decisions/deciders.js';
import { Installation } from './kit/installation.js';
import { claimsOf } from './kit/ledger.js';
import { RaceClients, raceRequest } from './kit/race-clients.js';
import type { RaceReply } from './kit/race-client.js';
import { seedsFrom } from './kit/seeds.js';
import { seedOf } from './seeded-random.js';
import { persistently, until } from './kit/tenant.js';

const SLOW = 600_000;
/** of a grant of pay.many */
const USES = 400;
const CLIENTS = 20;

const onTopology = (start: () => Promise<Installation>, further: (installation: () => Installation) => void = () => undefined): void => {
  let here: Installation;
  let people: Deciders;
  beforeAll(async () => {
    here = await start();
    people = await Deciders.start(here);
  }, SLOW);
  afterAll(() => here.stop(), SLOW);

  /** Each way to decide: what is sent, and what the agent then reads of its action. */
  const granted = { status: 'granted', grant: expect.any(String) as unknown };
  const KINDS: readonly (readonly [name: string, decide: (asked: Asked) => Promise<unknown>, agentReads: object])[] = [
    ['approve', (asked) => people.decide(asked, 'approve', 'fiona', { rationale: 'known' }), { ...granted, narrowed: [] }],
    ['approve narrower', (asked) => people.decide(asked, 'approve', 'fiona', { caps: { max_amount: { USD_MICROCENTS: '4200000000' } } }), { ...granted, narrowed: ['/amount'], granted_arguments: { account: 'acct_7', amount: '42.00' } }],
    ['edit', (asked) => people.decide(asked, 'edit', 'fiona', { arguments: { account: 'acct_7', amount: '60.00' } }), { ...granted, narrowed: ['/amount'], granted_arguments: { account: 'acct_7', amount: '60.00' } }],
    ['reject', (asked) => people.decide(asked, 'reject', 'fiona', { reason: 'not broken', reason_code: 'wrong_facts', instruction: 'reroute' }), { status: 'rejected', stop_reason: 'approval_rejected', rejection: { person: 'fiona', reason_code: 'wrong_facts', reason: 'not broken', instruction: 'reroute' } }],
    ['respond', (asked) => people.decide(asked, 'respond', 'fiona', { response: 'I called them.' }), { status: 'answered', response: 'I called them.' }],
    ['break-glass', (asked) => people.decide(asked, 'break-glass', 'erin', { reason: 'outage' }), granted],
    ['withdraw', (asked) => people.withdraw(asked), { status: 'withdrawn' }],
    ['defer, assign, escalate, then approve', async (asked) => {
      await people.decide(asked, 'defer', 'fiona', { until: new Date(Date.now() + 600_000).toISOString() });
      await people.decide(asked, 'assign', 'georg');
      await people.decide(asked, 'escalate', 'georg', { to_role: 'cfo', reason: 'above my line' });
      await people.decide(asked, 'approve', 'carla');
    }, granted],
    ['request information, be answered, then approve', async (asked) => {
      await people.decide(asked, 'request-information', 'fiona', { question: 'Which order?' });
      await people.answer(asked, 'Order 17');
      await people.decide(asked, 'approve', 'fiona');
    }, granted],
  ];

  test.each(KINDS)('A2: %s', async (_, decide, agentReads) => {
    const asked = await people.ask('pay.refund');
    await decide(asked);
    await people.reads(asked, agentReads);
  }, SLOW);

  test('A6, R5: a grant of nine uses with a total that policy set and a person lowered is used as far as the total goes, whoever comes first', async () => {
    const asked = await people.ask('pay.several');
    expect(await people.tries(asked, 'approve', 'fiona', { caps: { max_total: { USD_MICROCENTS: '70000000001' } } })).toBe('WIDENS_AUTHORITY');
    await people.decide(asked, 'approve', 'fiona', { caps: { max_total: { USD_MICROCENTS: '35000000000' } } });
    const grant = await people.reads(asked, granted);
    const uses = await Promise.all(Array.from({ length: 9 }, (_, index) => people.claims('pay.several', grant, index + 1)));
    // Of 100.00 dollars each, 350.00 hold three.
    expect([...uses].sort()).toEqual([...Array.from({ length: 6 }, () => 'GRANT_EXHAUSTED'), 'held', 'held', 'held']);
    expect(await people.claims('pay.several', grant, uses.indexOf('GRANT_EXHAUSTED') + 1)).toBe('GRANT_EXHAUSTED');
  }, SLOW);

  describe('arguments inside bounds', () => {
    // A tenant of its own: so many refusals after approval would open the circuit of the agent the others use.
    let clerks: Deciders;
    beforeAll(async () => {
      clerks = await Deciders.start(here);
    }, SLOW);

    test('R5: refunds in steps: an approver lowers what policy lets differ, and each use stays inside', async () => {
      const asked = await clerks.ask('pay.steps');
      expect(JSON.stringify(await clerks.cardOf(asked))).toContain('/amount, up to what is granted here');
      expect(await clerks.tries(asked, 'approve', 'fiona', { varies: ['/account'] })).toBe('WIDENS_AUTHORITY');
      await clerks.decide(asked, 'approve', 'fiona', { caps: { max_amount: { USD_MICROCENTS: '8000000000' } } });
      const grant = await clerks.reads(asked, granted);
      const use = (useNo: number, changed: JsonObject): Promise<string> => clerks.claimsWith('pay.steps', grant, useNo, changed);
      expect([await use(1, { amount: '60.00' }), await use(2, { amount: '25.50', memo: 'damage' })]).toEqual(['held', 'held']);
      expect([await use(3, { amount: '80.01' }), await use(3, { amount: '10.00', memo: 'other' })]).toEqual(['CAP_EXCEEDED', 'CAP_EXCEEDED']);
      expect([await use(3, { amount: '10.00', account: 'acct_8' }), await use(3, { amount: '10.00', more: 1 })]).toEqual(['ARGUMENTS_MISMATCH', 'ARGUMENTS_MISMATCH']);
      // Of 150.00 altogether 64.50 are left: what a use asks for counts, not the most it might.
      expect([await use(3, { amount: '64.51' }), await use(3, { amount: '64.50' }), await use(4, { amount: '0.01' })]).toEqual(['GRANT_EXHAUSTED', 'held', 'GRANT_EXHAUSTED']);
      // Whoever approves may also say that nothing differs.
      const fixed = await clerks.ask('pay.steps');
      await clerks.decide(fixed, 'approve', 'fiona', { varies: [] });
      expect(await clerks.claimsWith('pay.steps', await clerks.reads(fixed, granted), 1, { amount: '60.00' })).toBe('ARGUMENTS_MISMATCH');
    }, SLOW);

    test('R5: an allowance of policy alone is used with other amounts, none above the proposed one', async () => {
      const action_id = await clerks.allowed('pay.freely', 'ALLOW_WITH_CAPS');
      const grant = await clerks.view({ action_id, approval_id: '' });
      const use = (useNo: number, changed: JsonObject): Promise<string> => clerks.claimsWith('pay.freely', grant, useNo, changed);
      expect([await use(1, { amount: '99.99' }), await use(2, {}), await use(3, { amount: '100.01' }), await use(3, { account: 'acct_8' })]).toEqual(['held', 'held', 'CAP_EXCEEDED', 'ARGUMENTS_MISMATCH']);
    }, SLOW);
  });

  test('A3: an edit beyond the request is decided by policy as an action that follows it; its editor cannot approve it, somebody else can', async () => {
    const asked = await people.ask('pay.refund');
    const wider = { account: 'acct_7', amount: '500.00' };
    expect(await people.tries(asked, 'edit', 'fiona', { arguments: wider })).toBe('WIDENS_AUTHORITY');
    await people.decide(asked, 'edit', 'fiona', { arguments: wider, as_new_action: true });
    const { followed_by } = await people.reads(asked, { status: 'cancelled', followed_by: expect.any(String) as unknown });
    const follower = await people.found(String(followed_by));
    expect(await people.view(follower)).toMatchObject({ status: 'awaiting_approval', follows: asked.action_id });
    expect(await people.tries(follower, 'approve', 'fiona')).toBe('SELF_APPROVAL');
    await people.decide(follower, 'approve', 'georg');
    await people.reads(follower, granted);
    // Policy lets through what is small, whoever wrote it: that one needs no approval of its own.
    const other = await people.ask('pay.refund');
    await people.decide(other, 'edit', 'fiona', { arguments: { account: 'acct_8', amount: '5.00' }, as_new_action: true });
    const allowed = await people.reads(other, { followed_by: expect.any(String) as unknown });
    await people.reads({ action_id: String(allowed['followed_by']), approval_id: '' }, { status: 'allowed', verdict: 'ALLOW', follows: other.action_id });
  }, SLOW);

  test('A9: what policy allowed and drew is judged by people afterwards, once, and never by the owner of the agent', async () => {
    const actionId = await people.allowed('pay.logged');
    expect(await people.reviewed(actionId, 'pia')).toMatchObject({ action_id: actionId, tier: 'LOG', rule_id: expect.any(String) as unknown, arguments: expect.stringContaining('acct_7') as unknown });
    expect(await people.judge(actionId, 'owen', { judgement: 'right', words: 'mine' })).toBe('SELF_APPROVAL');
    expect(await people.judge(actionId, 'pia', { judgement: 'right', words: 'small enough' })).toBe('right');
    expect(await people.judge(actionId, 'pia', { judgement: 'wrong', words: 'on second thought' })).toBe('ALREADY_DECIDED');
  }, SLOW);

  test('A2: a grant that was revoked is said to be effective once reservations refuses it, and only then', async () => {
    const asked = await people.ask('pay.refund');
    await people.decide(asked, 'approve', 'fiona');
    const { grant, arguments_hash, target_hash } = await people.reads(asked, granted);
    await people.decide(asked, 'revoke', 'georg', { reason: 'too early' });
    await people.effective(asked);
    expect(await people.claims('pay.refund', { grant, arguments_hash, target_hash })).toBe('GRANT_REVOKED');
    await people.reads(asked, { status: 'cancelled', code: 'GRANT_REVOKED' });
  }, SLOW);

  test('every reason code of an approval, over HTTP', async () => {
    const reached = new Set<string>();
    const refused = async (code: Code, tried: Promise<string>): Promise<void> => {
      expect(await tried).toBe(code);
      reached.add(code);
    };
    const asked = await people.ask('pay.refund');
    await refused('SELF_APPROVAL', people.tries(asked, 'approve', 'owen'));
    await refused('NOT_ELIGIBLE', people.tries(asked, 'approve', 'carla'));
    await refused('NOT_A_PERSON', people.triesAsAgent(asked, 'approve'));
    await refused('VIEW_CHANGED', people.tries(asked, 'approve', 'fiona', { view_hash: `sha256:${'0'.repeat(64)}` }));
    await refused('WIDENS_AUTHORITY', people.tries(asked, 'approve', 'fiona', { caps: { max_amount: { USD_MICROCENTS: '10000000001' } } }));
    await refused('REASON_REQUIRED', people.tries(asked, 'reject', 'fiona', { reason: ' ' }));
    await people.decide(asked, 'approve', 'fiona');
    await refused('ALREADY_DECIDED', people.tries(asked, 'approve', 'georg'));
    const dual = await people.ask('pay.dual');
    await people.decide(dual, 'approve', 'fiona');
    await refused('STEP_UP_REQUIRED', people.tries(await people.ask('pay.guarded'), 'approve', 'fiona'));
    await refused('ALREADY_VOTED', people.tries(dual, 'approve', 'fiona'));
    const silent = await people.ask('pay.deny');
    await people.reads(silent, { status: 'expired' });
    await refused('APPROVAL_EXPIRED', people.tries(silent, 'approve', 'fiona'));
    expect((Object.keys(CODES) as Code[]).filter((code) => CODES[code].group === 'approval' && !reached.has(code))).toEqual([]);
  }, SLOW);

  test.each(['deny', 'expire', 'escalate'] as const)('invariant 27: silence under on_timeout %s', async (onTimeout) => {
    const asked = await people.ask(`pay.${onTimeout}`);
    const silence = { status: 'expired', code: 'APPROVAL_EXPIRED', stop_reason: 'approval_timeout' };
    if (onTimeout === 'escalate') {
      // Of a kind that gives the senior role time: how fast it answers is not what is tested.
      const answered = await people.ask('pay.senior');
      await people.senior(answered);
      await people.decide(answered, 'approve', 'carla');
      await people.reads(answered, granted);
    }
    await people.reads(asked, silence);
    expect(await people.eventsOf(asked)).toEqual(['ApprovalOpened', ...(onTimeout === 'escalate' ? ['ApprovalEscalated'] : []), 'ApprovalExpired']);
  }, SLOW);

  further(() => here);
};

/** A grant is revoked while client processes claim it at two processes of reservations. */
const revokedUnderLoad = (installation: () => Installation): void => {
  const seeds = seedsFrom(seedOf('revocations'));
  let clients: RaceClients;
  beforeAll(async () => {
    clients = await RaceClients.start(CLIENTS);
  }, SLOW);
  afterAll(() => clients.stop(), SLOW);

  const codeOf = ({ status, body }: RaceReply): string => (status === 201 ? 'held' : ((JSON.parse(body) as { code?: string }).code ?? String(status)));

  test.each(seeds)('invariant 12: what was claimed before stands, and once the revocation is effective nothing is claimed (seed %i)', async (seed) => {
    const here = installation();
    // People and agent of its own: what is refused here would open the circuit of the next one's agent.
    const people = await Deciders.start(here);
    const asked = await people.ask('pay.many');
    await people.decide(asked, 'approve', 'fiona');
    const { grant, arguments_hash, target_hash } = await people.reads(asked, { status: 'granted' });
    const origins = here.of('reservations').map(({ url }) => url);
    // The first use makes the grant's row; the rest is raced for.
    expect(await people.claims('pay.many', { grant, arguments_hash, target_hash }, 1)).toBe('held');
    const before = await claimsOf(here.rows, people.tenant.name);
    let useNo = 1;
    let effectiveAt = 0;
    let heldWhenEffective = -1;
    const claim = (client: number) => raceRequest(origins[client % origins.length] ?? '', { token: people.agent, path: '/v1/reservations', body: people.claiming('pay.many', { grant, arguments_hash, target_hash }, (useNo += 1)), key: randomUUID() });
    const replies = await clients.race(
      Array.from({ length: CLIENTS }, (_, client) => Array.from({ length: USES / CLIENTS - 1 }, () => claim(client))),
      async () => {
        await until(() => claimsOf(here.rows, people.tenant.name), (claims) => claims >= before + 1 + (seed % 20), 'load');
        await people.decide(asked, 'revoke', 'georg', { reason: 'race' });
        await people.effective(asked);
        effectiveAt = Date.now();
        heldWhenEffective = await claimsOf(here.rows, people.tenant.name);
      },
    );
    const counts: Record<string, number> = {};
    for (const reply of replies) counts[codeOf(reply)] = (counts[codeOf(reply)] ?? 0) + 1;
    expect(Object.keys(counts).filter((code) => !['held', 'GRANT_REVOKED', 'CIRCUIT_OPEN'].includes(code))).toEqual([]);
    expect(replies.filter((reply) => reply.sentAt > effectiveAt && codeOf(reply) === 'held')).toEqual([]);
    expect(await claimsOf(here.rows, people.tenant.name)).toBe(heldWhenEffective);
    expect(heldWhenEffective).toBe(before + (counts['held'] ?? 0));
    // After it, whoever asks.
    const late = await persistently(origins[seed % origins.length] ?? '', { token: people.agent, path: '/v1/reservations', body: people.claiming('pay.many', { grant, arguments_hash, target_hash }, USES), key: randomUUID() });
    expect(['GRANT_REVOKED', 'CIRCUIT_OPEN']).toContain(late.body['code']);
  }, SLOW);
};

const environment = (service: ServiceName): Readonly<Record<string, string>> => (service === 'approvals' ? STEP_UP : {});
describe('decisions on the PostgreSQL transport, two processes of reservations', () => onTopology(() => Installation.start({ transport: 'postgres', instances: 2, environment }), revokedUnderLoad));
describeWithKafka('decisions over Kafka', () => onTopology(() => Installation.start({ transport: 'kafka', environment })));
