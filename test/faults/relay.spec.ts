import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Installation } from './kit/installation.js';
import { committedEvents, everythingOf, notLogged } from './kit/ledger.js';
import { persistently, Tenant, until } from './kit/tenant.js';
import { TRANSPORT } from './kit/topology.js';
import { seedOf } from './seeded-random.js';

const SLOW = 600_000;
const BEHIND = 40;
/** Long enough that a relay which did not wait for the lower id would have passed it many times; below the authority's lock_timeout of 5 s. */
const HELD_MS = 1_500;
/** A log that lost an event never gets it; no need to wait as long as a crash might take. */
const LOGGED_WITHIN_MS = 150_000;

let here: Installation;
beforeAll(async () => {
  seedOf('a lower id');
  here = await Installation.start({ transport: TRANSPORT, instances: 2 });
}, SLOW);
afterAll(() => here.stop(), SLOW);

const expectLogged = async (tenant: Tenant): Promise<void> => {
  const committed = await committedEvents(here.rows, tenant.name);
  const { report, events } = await tenant.log(everythingOf(committed), LOGGED_WITHIN_MS);
  expect(notLogged(committed, events)).toEqual([]);
  expect(report).toMatchObject({ result: 'valid', violations: [] });
};

interface Disorder {
  readonly slow: Tenant;
  readonly quick: Tenant;
  readonly higher: number;
  readonly passed: boolean;
}

/** Undefined when the lower id was given up before the higher ones were in, as happens on a loaded machine: then nothing was seen. */
const disorder = async (): Promise<Disorder | undefined> => {
  const [slow, quick] = [await Tenant.create(here, `slow-${randomUUID().slice(0, 8)}`), await Tenant.create(here, `quick-${randomUUID().slice(0, 8)}`)];
  await slow.budget(100);
  await quick.budget(100);
  const [slowly, quickly] = [await slow.reservable({ kind: 'mail.send' }, 1), await quick.reservable({ kind: 'mail.send' }, BEHIND)];
  await expectLogged(quick);
  const [first, second] = here.of('reservations').map(({ url }) => url);

  // Somebody has the budget row; the batch that wants it has drawn its id for the idempotency row and waits.
  const blocker = await here.postgres.connect();
  await blocker.query('BEGIN');
  await blocker.query('SELECT FROM reservations.budget WHERE tenant = $1 FOR UPDATE', [slow.name]);
  const late = persistently(first ?? '', { token: slow.agent, path: '/v1/reservations', body: slowly[0], key: randomUUID() });
  const waiting = "SELECT backend_xid::text AS xid FROM pg_stat_activity WHERE usename = 'exequatur_reservations' AND wait_event_type = 'Lock' AND backend_xid IS NOT NULL";
  const [lower] = await until(() => here.rows<{ xid: string }>(waiting), (found) => found.length === 1, 'the batch that waits with its id drawn');

  const began = performance.now();
  const replies = await Promise.all(quickly.map((body) => persistently(second ?? '', { token: quick.agent, path: '/v1/reservations', body, key: randomUUID() })));
  expect(replies.map(({ status }) => status)).toEqual(quickly.map(() => 201));
  await delay(Math.max(0, HELD_MS - (performance.now() - began)));
  // The fault happened: higher ids are committed, the lower one is not, and the relay has not passed it.
  const [held] = await here.rows<{ higher: string; passed: boolean; lower: string | null }>(
    `SELECT pg_xact_status($2::xid8) AS lower, (SELECT count(*) FROM reservations.event WHERE tenant = $1 AND xid > $2::xid8) AS higher, (SELECT xid >= $2::xid8 FROM reservations.relay_cursor) AS passed`,
    [quick.name, lower?.xid],
  );
  await blocker.query('COMMIT');
  blocker.release();
  expect((await late).status).toBe(201);
  return held?.lower === 'in progress' ? { slow, quick, higher: Number(held.higher), passed: held.passed } : undefined;
};

/** Scenario 12 of reliability.md: an id drawn first and committed last. */
test('invariants 19, 20: a transaction that drew a lower id and commits after higher ones loses nothing', async () => {
  const { slow, quick, higher, passed } = (await until(disorder, (seen) => seen !== undefined, 'an id drawn first and committed last', LOGGED_WITHIN_MS)) as Disorder;
  expect(higher).toBeGreaterThanOrEqual(BEHIND);
  await expectLogged(slow);
  await expectLogged(quick);
  expect(passed).toBe(false);
}, SLOW);

test('invariants 19, 20: while a long transaction of somebody else is open the log stands still, and then it has everything', async () => {
  const tenant = await Tenant.create(here, `still-${randomUUID().slice(0, 8)}`);
  await tenant.budget(100);
  const requests = await tenant.reservable({ kind: 'mail.send' }, BEHIND);
  await expectLogged(tenant);
  const long = await here.postgres.connect();
  await long.query('BEGIN');
  await long.query('SELECT pg_current_xact_id()');
  const replies = await Promise.all(requests.map((body) => persistently(here.urls.reservations, { token: tenant.agent, path: '/v1/reservations', body, key: randomUUID() })));
  expect(replies.map(({ status }) => status)).toEqual(requests.map(() => 201));
  await delay(HELD_MS);
  const committed = await committedEvents(here.rows, tenant.name);
  const { events: seen } = await tenant.log(() => []);
  // The stall is the price of losing nothing, and here is seen.
  expect(notLogged(committed, seen).length).toBeGreaterThanOrEqual(BEHIND);
  await long.query('COMMIT');
  long.release();
  await expectLogged(tenant);
}, SLOW);
