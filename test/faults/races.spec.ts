import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { named } from './kit/exported-log.js';
import type { ExportedLog } from './kit/exported-log.js';
import { Installation } from './kit/installation.js';
import { claimsOf, committedEvents, eventsNamed, everythingOf, notLogged } from './kit/ledger.js';
import { RaceClients, raceRequest } from './kit/race-clients.js';
import type { RaceReply } from './kit/race-client.js';
import { seedsFrom } from './kit/seeds.js';
import { persistently, POLICY, Tenant, until } from './kit/tenant.js';
import { TRANSPORT } from './kit/topology.js';
import { randomFrom, seedOf } from './seeded-random.js';

const CLIENTS = Number(process.env['EXEQUATUR_RACERS'] ?? 200);
const INSTANCES = 2;
const GRANTS = 8;
/** of a grant of mail.few */
const MAX_USES = 5;
/** More requests of a client than it comes to send before what happens meanwhile is over: see its pauses. All are uses of one grant of mail.bulk. */
const ENOUGH = 40;
const SLOW = 600_000;
const PER_SEED_MS = 60_000;

/** Scenario 4 of reliability.md, and the freeze and the policy switch at their instant. */
describe(`${CLIENTS} client processes behind one barrier, ${INSTANCES} processes of reservations on one database`, () => {
  const first = seedOf('races');
  const seeds = seedsFrom(first);
  const within = SLOW + seeds.length * PER_SEED_MS;
  let here: Installation;
  let clients: RaceClients;
  let origins: readonly string[];

  beforeAll(async () => {
    here = await Installation.start({ transport: TRANSPORT, instances: INSTANCES });
    origins = here.of('reservations').map(({ url }) => url);
    clients = await RaceClients.start(CLIENTS);
  }, SLOW);
  afterAll(async () => {
    await clients.stop();
    await here.stop();
  }, SLOW);

  const originOf = (client: number): string => origins[client % origins.length] ?? '';
  const reserving = (tenant: Tenant, client: number, body: unknown, key: string = randomUUID()) => raceRequest(originOf(client), { token: tenant.agent, path: '/v1/reservations', body, key });
  const codeOf = ({ status, body }: RaceReply): string => (status === 201 || status === 200 ? 'held' : status === 0 ? 'broken' : ((JSON.parse(body) as { code?: string }).code ?? String(status)));
  const tally = (replies: readonly RaceReply[]): Record<string, number> => {
    const counts: Record<string, number> = {};
    for (const reply of replies) counts[codeOf(reply)] = (counts[codeOf(reply)] ?? 0) + 1;
    return counts;
  };
  const idOf = ({ body }: RaceReply): string => (JSON.parse(body) as { reservation_id: string }).reservation_id;

  /** The whole checker over the log, which must hold every committed event. */
  const checked = async (tenant: Tenant): Promise<ExportedLog> => {
    const committed = await committedEvents(here.rows, tenant.name);
    const log = await tenant.log(everythingOf(committed));
    expect(notLogged(committed, log.events)).toEqual([]);
    expect(log.report).toMatchObject({ result: 'valid', violations: [] });
    return log;
  };

  /** Both instances must have had a part, else nothing was raced between them. */
  const gates = { given: [0, 0], twins: 0, frozen: 0, switched: 0 };

  test.each(seeds)('invariants 4, 7, 8: the last units of a budget are given out once, and each claim ends once (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    // Mostly few; sometimes more than one batch has to give.
    const units = 1 + Math.floor(random() ** 3 * (CLIENTS - 1));
    const tenant = await Tenant.create(here, `unit-${seed}-${randomUUID().slice(0, 8)}`);
    await tenant.budget(units);
    const requests = await tenant.reservable({ kind: 'mail.send' }, CLIENTS);
    const replies = await clients.race(requests.map((body, client) => [reserving(tenant, client, body)]));
    expect(tally(replies)).toEqual({ held: units, BUDGET_EXCEEDED: CLIENTS - units });
    expect(await tenant.balance()).toEqual({ held: units, committed: 0 });
    replies.forEach((reply, client) => codeOf(reply) === 'held' && (gates.given[client % INSTANCES] = (gates.given[client % INSTANCES] ?? 0) + 1));

    // Everybody tries to end every claim in another way, at both instances.
    const ids = replies.filter((reply) => codeOf(reply) === 'held').map(idOf);
    const ends = [['commit', {}], ['release', {}], ['outcome', { status: 'UNKNOWN' }]] as const;
    const ended = await clients.race(Array.from({ length: CLIENTS }, (_, client) => {
      const [step, body] = ends[Math.floor(random() * ends.length)] ?? ends[0];
      return [raceRequest(originOf(client), { token: tenant.agent, path: `/v1/reservations/${ids[client % ids.length]}/${step}`, body, key: randomUUID() })];
    }));
    expect(Object.keys(tally(ended)).filter((code) => !['held', 'RESERVATION_FINALIZED', 'CONFLICT'].includes(code))).toEqual([]);
    const { events } = await checked(tenant);
    const terminal = events.filter(({ name }) => ['ReservationCommitted', 'ReservationReleased', 'ReservationExpired'].includes(name)).map(({ data }) => String(data['reservation_id']));
    expect(terminal).toHaveLength(new Set(terminal).size);
    const spent = named(events, 'reservation_id', 'ReservationCommitted').size;
    const unknown = [...named(events, 'reservation_id', 'ReservationMarkedUnknown')].filter((id) => !terminal.includes(id)).length;
    expect(await tenant.balance()).toEqual({ held: unknown, committed: spent });
  }, within);

  test.each(seeds)('invariants 4, 5, 21: the last uses of a grant are claimed once each, and twins of one request get one answer (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const tenant = await Tenant.create(here, `use-${seed}-${randomUUID().slice(0, 8)}`);
    await tenant.budget(1_000);
    const asked = { kind: 'mail.few' };
    // The first use makes the grant's row and the racers name it, so that its lock alone stands between them.
    const grants: { readonly grant_id: string; readonly body: Record<string, unknown> }[] = [];
    for (let nth = 0; nth < GRANTS; nth += 1) {
      const allowed = await tenant.propose(asked);
      expect((await persistently(originOf(nth), { token: tenant.agent, path: '/v1/reservations', body: tenant.reserving(asked, allowed, 1), key: randomUUID() })).status).toBe(201);
      const { grant: _, ...body } = tenant.reserving(asked, allowed);
      grants.push({ grant_id: allowed.grant_id ?? '', body });
    }
    // Neighbours at the two instances send the same bytes under the same key.
    const bodies = Array.from({ length: CLIENTS / 2 }, (_, pair) => {
      const { grant_id = '', body } = grants[pair % GRANTS] ?? {};
      return { key: randomUUID(), body: { ...body, grant_id, use_no: 2 + Math.floor(random() * 6) } };
    });
    const replies = await clients.race(Array.from({ length: CLIENTS }, (_, client) => {
      const { key = '', body } = bodies[client >> 1] ?? {};
      return [reserving(tenant, client, body, key)];
    }));
    expect(Object.keys(tally(replies)).filter((code) => !['held', 'GRANT_EXHAUSTED', 'IDEMPOTENCY_IN_FLIGHT'].includes(code))).toEqual([]);
    const asking = new Set(bodies.flatMap(({ body }) => (body.use_no <= MAX_USES ? [`${body.grant_id} ${body.use_no}`] : [])));
    const held = replies.filter((reply) => codeOf(reply) === 'held');
    expect(new Set(held.map(idOf)).size).toBe(asking.size);
    for (let pair = 0; pair < CLIENTS; pair += 2) {
      const [one, other] = [replies[pair], replies[pair + 1]];
      if (one === undefined || other === undefined || [one, other].some((reply) => codeOf(reply) === 'IDEMPOTENCY_IN_FLIGHT')) continue;
      expect(one.body).toBe(other.body);
      gates.twins += 1;
    }
    replies.forEach((reply, client) => codeOf(reply) === 'held' && (gates.given[client % INSTANCES] = (gates.given[client % INSTANCES] ?? 0) + 1));
    const { events } = await checked(tenant);
    const uses = events.filter(({ name }) => name === 'ReservationHeld').map(({ data }) => `${data['grant_id'] as string} ${data['use_no'] as number}`);
    expect([...uses].sort()).toEqual([...asking, ...grants.map(({ grant_id }) => `${grant_id} 1`)].sort());
  }, within);

  test.each(seeds)('invariants 15, 16: no claim after fenced, whichever instance was asked (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const tenant = await Tenant.create(here, `freeze-${seed}-${randomUUID().slice(0, 8)}`);
    await tenant.budget(100_000);
    const asked = { kind: 'mail.bulk' };
    const allowed = await tenant.propose(asked);
    let useNo = 0;
    let fencedAt = 0;
    let epoch = 0;
    let heldAtFence = -1;
    const replies = await clients.race(
      Array.from({ length: CLIENTS }, (_, client) => Array.from({ length: ENOUGH }, () => reserving(tenant, client, tenant.reserving(asked, allowed, (useNo += 1))))),
      async () => {
        const wanted = 1 + Math.floor(random() * CLIENTS);
        await until(() => claimsOf(here.rows, tenant.name), (claims) => claims >= wanted, 'load');
        const freeze = await persistently(originOf(seed), { token: tenant.operator, path: '/v1/freezes', body: { scope: 'kind', value: 'mail.bulk', reason: 'race' }, key: randomUUID() });
        fencedAt = Date.now();
        expect(freeze.status).toBe(201);
        epoch = freeze.body['fence_epoch'] as number;
        heldAtFence = await claimsOf(here.rows, tenant.name);
      },
    );
    expect(tally(replies)).toEqual({ held: heldAtFence, FROZEN: replies.length - heldAtFence });
    expect(await claimsOf(here.rows, tenant.name)).toBe(heldAtFence);
    expect(replies.filter((reply) => reply.sentAt > fencedAt && codeOf(reply) === 'held')).toEqual([]);
    gates.frozen += Math.min(heldAtFence, replies.length - heldAtFence);
    const { events } = await checked(tenant);
    expect(events.filter(({ name, data }) => name === 'ReservationHeld' && (data['fence_epoch'] as number) >= epoch)).toEqual([]);
  }, within);

  test.each(seeds)('invariant 13: no claim under the old policy once the new one is in force (seed %i)', async (seed) => {
    const random = randomFrom(seed);
    const tenant = await Tenant.create(here, `switch-${seed}-${randomUUID().slice(0, 8)}`);
    await tenant.budget(100_000);
    const asked = { kind: 'mail.bulk' };
    const allowed = await tenant.propose(asked);
    let useNo = 0;
    let heldWhenInForce = -1;
    let inForceAt = 0;
    const replies = await clients.race(
      Array.from({ length: CLIENTS }, (_, client) => Array.from({ length: ENOUGH }, () => reserving(tenant, client, tenant.reserving(asked, allowed, (useNo += 1))))),
      async () => {
        const wanted = 1 + Math.floor(random() * (CLIENTS / 2));
        await until(() => claimsOf(here.rows, tenant.name), (claims) => claims >= wanted, 'load');
        const version = await tenant.publish(POLICY.replace('bulk: { kinds: [mail.bulk], default: allow_with_caps,', 'bulk: { kinds: [mail.bulk], default: deny,').replace(', caps: { max_uses: 10000 } }', ' }'));
        await until(() => eventsNamed(here.rows, tenant.name, 'PolicyInForce'), (found) => found.some((data) => data['policy_version'] === version), 'in force');
        inForceAt = Date.now();
        heldWhenInForce = await claimsOf(here.rows, tenant.name);
      },
    );
    expect(tally(replies)).toEqual({ held: heldWhenInForce, ...(heldWhenInForce < replies.length ? { POLICY_CHANGED_DENY: replies.length - heldWhenInForce } : {}) });
    expect(await claimsOf(here.rows, tenant.name)).toBe(heldWhenInForce);
    expect(replies.filter((reply) => reply.sentAt > inForceAt && codeOf(reply) === 'held')).toEqual([]);
    gates.switched += replies.length - heldWhenInForce;
    const { events } = await checked(tenant);
    const epoch = Math.max(...events.filter(({ name }) => name === 'PolicyInForce').map(({ data }) => data['fence_epoch'] as number));
    expect(events.filter(({ name, data }) => name === 'ReservationHeld' && (data['fence_epoch'] as number) >= epoch)).toEqual([]);
  }, within);

  test('the races happened: both instances gave out units and uses, twins met, claims stood on both sides of fence and switch', () => {
    console.log(`races: ${seeds.length} seeds from ${first}, ${clients.count} client processes, ${origins.length} instances, ${JSON.stringify(gates)}`);
    expect(Math.min(...gates.given, gates.twins, gates.frozen, gates.switched)).toBeGreaterThan(0);
  });
});
