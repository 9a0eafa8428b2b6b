import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres } from '@exequatur/testing';
import type pg from 'pg';
import { fenceKey } from './lock-keys.js';
import { PgEventStore } from './pg-event-store.js';
import { LockTimeout, TransactionWasAborted } from './pg-transaction.js';
import { foldStream, readAll } from './read-all.js';
import { relayChannel } from './relay/relay-wake.js';
import { runEventStoreContract } from './spec/event-store.contract.js';
import { actionStream, proposed, signingKey, withdrawn } from './spec/fixtures.js';
import { onPolicyDatabase } from './spec/policy-database.js';
import type { PolicyDatabase } from './spec/policy-database.js';
import { eventually, gate } from './spec/waiting.js';

runEventStoreContract('PostgreSQL', async () => {
  const database = await onPolicyDatabase(await startTestPostgres());
  return { store: new PgEventStore({ pool: database.pool(), service: 'policy', signingKey }), close: () => database.close() };
});

describe('PgEventStore', () => {
  let database: PolicyDatabase;
  let pool: pg.Pool;
  let store: PgEventStore;
  beforeAll(async () => {
    database = await onPolicyDatabase(await startTestPostgres());
    pool = database.pool();
    store = new PgEventStore({ pool, service: 'policy', signingKey, lockTimeoutMs: 200 });
  });
  afterAll(() => database.close());

  const append = (stream = actionStream(), expectedVersion = 0, reason = 'r'): Promise<unknown> =>
    store.transact({ streams: [stream] }, (tx) => store.append(tx, [{ stream, expectedVersion, events: [withdrawn(reason)] }]));

  test.each(["UPDATE event SET bytes = ''", 'DELETE FROM event', 'TRUNCATE event', 'DELETE FROM event WHERE false'])('invariant 24: %s is refused, to the owner of the table too', async (statement) => {
    const stream = actionStream();
    await append(stream);
    await expect(pool.query(statement)).rejects.toThrow('events are append-only');
    expect(await store.load(pool, stream)).toHaveLength(1);
  });

  test('a lock that is not had in time is a LockTimeout, and the connection stays usable', async () => {
    const stream = actionStream();
    const held = gate();
    const holding = store.transact({ streams: [stream] }, () => held.opened);
    await eventually('the lock is held', async () => (await pool.query("SELECT FROM pg_locks WHERE locktype = 'advisory'")).rowCount === 1);
    await expect(append(stream)).rejects.toThrow(LockTimeout);
    const free = actionStream();
    const busy = await store.busy({ fences: [{ tenant: 'acme', mode: 'shared' }], streams: [free, stream] });
    expect([[...busy.fences], [...busy.streams]]).toEqual([[], [`acme/action/${stream.id}`]]);
    held.open();
    await holding;
    await append(stream);
  });

  test('locks are had before a transaction id is drawn, fences before streams, each in the order of its key', async () => {
    const tenants = ['acme', 'globex', 'initech', 'umbrella'];
    const streams = tenants.map((tenant) => actionStream(tenant));
    const waiting = database.pool(2);
    const blocker = await waiting.connect();
    const keys = tenants.map((tenant) => fenceKey('policy', tenant)).sort((left, right) => (left < right ? -1 : 1));
    await blocker.query('SELECT pg_advisory_lock($1::bigint)', [keys[2]?.toString()]);
    const patient = new PgEventStore({ pool, service: 'policy', signingKey, lockTimeoutMs: 60_000 });
    const blocked = patient.transact({ fences: tenants.map((tenant) => ({ tenant, mode: 'shared' })), streams }, () => Promise.resolve());
    const heldNow = async (): Promise<{ granted: boolean; key: string; drew: boolean }[]> =>
      (await waiting.query<{ granted: boolean; key: string; drew: boolean }>(
        `SELECT granted, ((classid::bigint << 32) | objid::bigint)::text AS key, EXISTS (SELECT FROM pg_locks own WHERE own.pid = pg_locks.pid AND own.locktype = 'transactionid') AS drew
         FROM pg_locks WHERE locktype = 'advisory' AND pid <> (SELECT $1::integer)`, [(await blocker.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]?.pid],
      )).rows;
    await eventually('it waits', async () => (await heldNow()).some(({ granted }) => !granted));
    const now = await heldNow();
    expect(now.filter(({ granted }) => granted).map(({ key }) => BigInt.asIntN(64, BigInt(key))).sort((left, right) => (left < right ? -1 : 1))).toEqual(keys.slice(0, 2));
    expect(now.some(({ drew }) => drew)).toBe(false);
    blocker.release(true);
    await blocked;
  });

  test('work that swallowed a failed statement is not reported as committed', async () => {
    const stream = actionStream();
    const work = store.transact({ streams: [stream] }, async (tx) => {
      await store.append(tx, [{ stream, expectedVersion: 0, events: [withdrawn()] }]);
      await tx.query('SELECT 1 / 0').catch(() => undefined);
    });
    await expect(work).rejects.toThrow(TransactionWasAborted);
    expect(await store.load(pool, stream)).toEqual([]);
  });

  test('a connection lost in the middle is an error to the caller, writes nothing, and the pool goes on', async () => {
    const stream = actionStream();
    const work = store.transact({ streams: [stream] }, async (tx) => {
      await store.append(tx, [{ stream, expectedVersion: 0, events: [withdrawn()] }]);
      const { rows } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await pool.query('SELECT pg_terminate_backend($1)', [rows[0]?.pid]);
      await tx.query('SELECT 1');
    });
    await expect(work).rejects.toThrow();
    expect(await store.load(pool, stream)).toEqual([]);
    await append(stream);
  });

  test('an event id that was used before is refused: consumers would take it for a duplicate', async () => {
    const [one, two] = [actionStream(), actionStream()];
    const [recorded] = await store.transact({ streams: [one] }, (tx) => store.append(tx, [{ stream: one, expectedVersion: 0, events: [withdrawn()] }]));
    const id = recorded?.envelope.id ?? '';
    await expect(store.transact({ streams: [two] }, (tx) => store.append(tx, [{ stream: two, expectedVersion: 0, events: [{ ...withdrawn(), id }] }]))).rejects.toThrow('event_id_once');
    expect(await store.load(pool, two)).toEqual([]);
  });

  test('commits in a row share wakes; a rollback and a reading transaction send none', async () => {
    const listener = await database.pool(1).connect();
    let wakes = 0;
    listener.on('notification', () => (wakes += 1));
    await listener.query(`LISTEN ${relayChannel('policy')}`);
    await store.transact({ streams: [actionStream()] }, () => Promise.resolve());
    await expect(append(actionStream(), 7)).rejects.toThrow();
    await Promise.all(Array.from({ length: 40 }, () => append()));
    await eventually('a wake', () => wakes > 0);
    await listener.query('SELECT pg_sleep(0.2)');
    expect(wakes).toBeLessThan(40);
    listener.release(true);
  });

  test('many streams are loaded, and their versions read, in one statement each', async () => {
    const [one, two, none] = [actionStream(), actionStream('globex'), actionStream()];
    await append(one);
    await append(two);
    await append(two, 1);
    const loaded = await store.loadAll(pool, [one, two, none, one]);
    expect([...loaded].map(([key, events]) => [key, events.length]).sort()).toEqual([[`acme/action/${one.id}`, 1], [`globex/action/${two.id}`, 2]].sort());
    expect([...(await store.versions(pool, [one, two, none])).values()].sort()).toEqual([0, 1, 2]);
  });

  test('invariant 22: state rebuilt from the whole log equals the state stored stream by stream', async () => {
    const streams = Array.from({ length: 7 }, () => actionStream());
    for (const stream of streams) {
      await store.transact({ streams: [stream] }, (tx) => store.append(tx, [{ stream, expectedVersion: 0, events: [proposed(stream.id)] }]));
      for (let version = 1; version <= 3; version += 1) await append(stream, version, `reason ${version}`);
    }
    const evolve = (state: readonly string[], event: { sequence: string; id: string }): readonly string[] => [...state, `${event.sequence} ${event.id}`];
    const rebuilt = new Map<string, readonly string[]>();
    let read = 0;
    for await (const chunk of readAll(pool, undefined, 5)) {
      read += chunk.length;
      for (const { recorded } of chunk) {
        const { partitionkey } = recorded.envelope;
        rebuilt.set(partitionkey, evolve(rebuilt.get(partitionkey) ?? [], recorded.envelope));
      }
    }
    const { rows } = await pool.query<{ tenant: string; aggregate: string; id: string }>('SELECT DISTINCT tenant, aggregate, subject AS id FROM event');
    for (const stream of rows) {
      const stored = foldStream(await store.load(pool, stream), evolve, []);
      expect(rebuilt.get(`${stream.tenant}/${stream.aggregate}/${stream.id}`)).toEqual(stored.state);
      expect(stored.version).toBe(stored.state.length);
    }
    expect([rebuilt.size, read]).toEqual([rows.length, (await pool.query('SELECT FROM event')).rowCount]);
  });

  test('reading goes on from a position, and stops below a transaction still open', async () => {
    let last = { xid: '0', position: '0' };
    for await (const chunk of readAll(pool)) last = chunk.at(-1)?.at ?? last;
    const [held, drawn] = [gate(), gate()];
    const slow = actionStream();
    const open = store.transact({ streams: [slow] }, async (tx) => {
      await store.append(tx, [{ stream: slow, expectedVersion: 0, events: [withdrawn('slow')] }]);
      drawn.open();
      await held.opened;
    });
    await drawn.opened;
    await append();
    const after = async (): Promise<number> => {
      let count = 0;
      for await (const chunk of readAll(pool, last)) count += chunk.length;
      return count;
    };
    expect(await after()).toBe(0);
    held.open();
    await open;
    expect(await after()).toBe(2);
  });
});
