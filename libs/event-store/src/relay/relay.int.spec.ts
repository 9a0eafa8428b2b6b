import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { EVENT_TOPICS, HEADER, streamKey } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { leafHash, merkleRoot, originVerifier } from '@exequatur/audit-chain';
import { newId } from '@exequatur/kernel';
import { QUIET, startTestPostgres } from '@exequatur/testing';
import type pg from 'pg';
import { PgEventStore } from '../pg-event-store.js';
import { actionStream, proposed, signingKey, tenantCreated, tenantStream, trustedKeys, withdrawn } from '../spec/fixtures.js';
import { onPolicyDatabase } from '../spec/policy-database.js';
import type { PolicyDatabase } from '../spec/policy-database.js';
import { RecordingPublisher } from '../spec/recording-publisher.js';
import { eventually, gate, pauseMs } from '../spec/waiting.js';
import { moveCursor, readCursor, takeEpoch } from './relay-cursor.js';
import { startRelay } from './relay.js';
import type { Relay, RelayOptions } from './relay.js';

describe('relay', () => {
  let database: PolicyDatabase;
  let pool: pg.Pool;
  let store: PgEventStore;
  let broker: RecordingPublisher;
  let relays: Relay[] = [];

  beforeAll(async () => {
    database = await onPolicyDatabase(await startTestPostgres());
    pool = database.pool(12);
    store = new PgEventStore({ pool, service: 'policy', signingKey });
  });
  afterAll(() => database.close());
  beforeEach(() => {
    broker = new RecordingPublisher();
  });
  afterEach(async () => {
    await Promise.all(relays.map((relay) => relay.stop()));
    relays = [];
  });

  const relay = (options: Partial<RelayOptions> = {}): Relay => {
    const started = startRelay({ pool, store, publisher: broker, pollMs: 50, headsMs: 200, ...options });
    relays.push(started);
    return started;
  };
  const append = (stream: StreamId, expectedVersion: number, ...reasons: string[]): Promise<unknown> =>
    store.transact({ streams: [stream] }, (tx) => store.append(tx, [{ stream, expectedVersion, events: reasons.map((reason) => withdrawn(reason)) }]));
  const arrivedIn = (tenant: string): typeof broker.facts => broker.facts.filter(({ envelope }) => envelope.tenant === tenant);
  const newTenant = (): string => `t-${newId()}`;
  /** Ends the relay's connection from the server's side, as a failover would; resolves, when it has ended, to how many there were. */
  const cutRelay = async (): Promise<number> => {
    const { rowCount } = await pool.query("SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()");
    return rowCount ?? 0;
  };

  test('publishes the stored bytes with their proof, by topic, in order', async () => {
    const tenant = newTenant();
    const stream = actionStream(tenant);
    const recorded = await store.transact({ streams: [stream, tenantStream(tenant)] }, (tx) =>
      store.append(tx, [
        { stream: tenantStream(tenant), expectedVersion: 0, events: [tenantCreated(tenant)] },
        { stream, expectedVersion: 0, events: [proposed(stream.id, tenant), withdrawn()] },
      ]),
    );
    relay();
    await eventually('three events arrive', () => arrivedIn(tenant).length === 3);
    const byId = new Map(arrivedIn(tenant).map((message) => [message.envelope.id, message]));
    const verify = originVerifier(trustedKeys);
    recorded.forEach(({ envelope, bytes }, index) => {
      const message = byId.get(envelope.id);
      expect(message?.value.equals(bytes)).toBe(true);
      expect(message?.key).toBe(envelope.partitionkey);
      expect(message?.topic).toBe(index === 0 ? EVENT_TOPICS.directory.name : EVENT_TOPICS.actions.name);
      expect(message?.headers[HEADER.contentType]).toBe('application/cloudevents+json; charset=UTF-8');
      expect(message?.headers[HEADER.ordinal]).toBe(String(index + 1));
      const proof = { path: message?.headers[HEADER.path] ?? '', signature: message?.headers[HEADER.signature] ?? '', keyId: message?.headers[HEADER.keyId] ?? '' };
      expect(verify(bytes, proof, tenant, 'policy')).toEqual({ ok: true });
    });
    expect(byId.get(recorded[1]?.envelope.id ?? '')?.headers[HEADER.traceparent]).toBe('00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01');
  });

  test('a commit wakes the relay long before its next poll', async () => {
    const tenant = newTenant();
    const started = relay({ pollMs: 60_000, headsMs: 60_000 });
    await eventually('the relay leads and rests', () => started.health().leading);
    await pauseMs(300);
    const before = performance.now();
    await append(actionStream(tenant), 0, 'wake up');
    await eventually('the event arrives', () => arrivedIn(tenant).length === 1);
    expect(performance.now() - before).toBeLessThan(QUIET ? 2_000 : 50_000);
  });

  /** One transaction draws a low number and stays open; a later one commits first. */
  const lowerNumberStillOpen = async (tenant: string): Promise<{ finish: () => Promise<void> }> => {
    const [held, drawn] = [gate(), gate()];
    const slow = actionStream(tenant);
    const slowOne = store.transact({ streams: [slow] }, async (tx) => {
      await store.append(tx, [{ stream: slow, expectedVersion: 0, events: [withdrawn('drew its number first')] }]);
      drawn.open();
      await held.opened;
    });
    await drawn.opened;
    await append(actionStream(tenant), 0, 'committed first');
    return {
      finish: async () => {
        held.open();
        await slowOne;
      },
    };
  };

  test('naive polling by number loses the event that commits behind it', async () => {
    const tenant = newTenant();
    const { rows: start } = await pool.query<{ last: string }>('SELECT coalesce(max(position), 0)::text AS last FROM event');
    let last = start[0]?.last ?? '0';
    const seen: string[] = [];
    const poll = async (): Promise<void> => {
      const { rows } = await pool.query<{ position: string; subject: string }>('SELECT position::text, subject FROM event WHERE position > $1 AND tenant = $2 ORDER BY position', [last, tenant]);
      for (const row of rows) {
        seen.push(row.subject);
        last = row.position;
      }
    };
    const open = await lowerNumberStillOpen(tenant);
    await poll();
    await open.finish();
    await poll();
    expect(seen).toHaveLength(1);
  });

  test('invariant 20: no committed event is lost behind a transaction with a lower number', async () => {
    const tenant = newTenant();
    const started = relay();
    await eventually('the relay leads', () => started.health().leading);
    const open = await lowerNumberStillOpen(tenant);
    await pauseMs(300);
    const { lagEvents } = started.health();
    await open.finish();
    await eventually('both events arrive', () => arrivedIn(tenant).length === 2, 3_000);
    expect(lagEvents).toBeGreaterThan(0);
    expect(arrivedIn(tenant).map(({ envelope }) => (envelope.data as { reason: string }).reason)).toEqual(['drew its number first', 'committed first']);
  });

  test('invariant 19: a transaction that waits for a stream cannot be relayed before the one it waited for', async () => {
    const tenant = newTenant();
    const stream = actionStream(tenant);
    const appendNext = async (beforeLoad: () => Promise<void>): Promise<void> =>
      store.transact({ streams: [stream] }, async (tx) => {
        // Its first write, as an inbox row is, draws the transaction's id.
        await tx.query('SELECT pg_current_xact_id()');
        await beforeLoad();
        const version = (await store.load(tx, stream)).length;
        await store.append(tx, [{ stream, expectedVersion: version, events: [withdrawn(`version ${version + 1}`)] }]);
      });
    const [entered, overtaken] = [gate(), gate()];
    const first = appendNext(async () => {
      entered.open();
      // Time enough for the second to finish, if nothing makes it wait.
      await Promise.race([overtaken.opened, pauseMs(500)]);
    });
    await entered.opened;
    const second = appendNext(() => Promise.resolve()).then(overtaken.open);
    await Promise.all([first, second]);
    relay();
    await eventually('both arrive', () => arrivedIn(tenant).length === 2);
    expect(broker.versionsByKey().get(streamKey(stream))).toEqual([1, 2]);
  });

  test('a cut after the broker took a batch only duplicates it: same bytes, same ordinals', async () => {
    const tenant = newTenant();
    const streams = [actionStream(tenant), actionStream(tenant)];
    for (const stream of streams) await append(stream, 0, 'a', 'b', 'c');
    let cuts = 0;
    broker.after = async () => {
      if (cuts < 3) cuts += await cutRelay();
    };
    const errors: unknown[] = [];
    relay({ batchSize: 4, onError: (error) => void errors.push(error) });
    await eventually('all arrive', () => new Set(arrivedIn(tenant).map(({ envelope }) => envelope.id)).size === 6);
    await eventually('three cuts were felt', () => errors.length >= 3);
    expect(arrivedIn(tenant).length).toBeGreaterThan(6);
    const copies = new Map<string, Set<string>>();
    for (const { envelope, value, headers } of arrivedIn(tenant)) {
      copies.set(envelope.id, (copies.get(envelope.id) ?? new Set()).add(`${headers[HEADER.ordinal]} ${value.toString('hex')}`));
    }
    expect([...copies.values()].map((forms) => forms.size)).toEqual([1, 1, 1, 1, 1, 1]);
    for (const stream of streams) expect(broker.versionsByKey().get(streamKey(stream))).toEqual([1, 2, 3]);
  });

  test('a stopped relay goes on where it was', async () => {
    const tenant = newTenant();
    const stream = actionStream(tenant);
    await append(stream, 0, 'before');
    await eventually('the first arrives', async () => {
      const started = relay();
      await pauseMs(150);
      await started.stop();
      return arrivedIn(tenant).length > 0;
    });
    await append(stream, 1, 'while stopped');
    relay();
    await eventually('the second arrives', () => arrivedIn(tenant).length === 2);
    expect(broker.versionsByKey().get(streamKey(stream))).toEqual([1, 2]);
  });

  test('a broker that is down delays, and loses and reorders nothing', async () => {
    const tenant = newTenant();
    const stream = actionStream(tenant);
    let down = true;
    broker.before = () => (down ? Promise.reject(new Error('broker is down')) : Promise.resolve());
    const started = relay();
    await append(stream, 0, 'a', 'b');
    await append(stream, 2, 'c');
    await eventually('attempts fail', () => broker.attempts >= 3 && started.health().failing);
    await eventually('lag shows', () => started.health().lagEvents >= 3 && started.health().sinceSuccessMs > 0);
    expect(started.health().leading).toBe(true);
    expect(arrivedIn(tenant)).toEqual([]);
    down = false;
    await eventually('all arrive', () => arrivedIn(tenant).length === 3);
    expect(broker.versionsByKey().get(streamKey(stream))).toEqual([1, 2, 3]);
    await eventually('health recovers', () => !started.health().failing && started.health().lagEvents === 0);
  });

  test('two relays: one publishes, the other takes over when it ends', async () => {
    const tenant = newTenant();
    const other = new RecordingPublisher();
    const first = relay();
    await eventually('the first leads', () => first.health().leading);
    const second = relay({ publisher: other });
    const stream = actionStream(tenant);
    for (let version = 0; version < 5; version += 1) await append(stream, version, String(version));
    await eventually('the first publishes', () => arrivedIn(tenant).length === 5);
    expect([second.health().leading, second.health().failing, other.arrived.length]).toEqual([false, false, 0]);
    await first.stop();
    await append(stream, 5, 'for the second');
    await eventually('the second publishes', () => other.facts.some(({ envelope }) => envelope.tenant === tenant));
    expect(second.health().leading).toBe(true);
    expect(other.versionsByKey().get(streamKey(stream))).toEqual([6]);
  });

  test('a paused relay that wakes after its successor cannot move the cursor', async () => {
    const tenant = newTenant();
    const stream = actionStream(tenant);
    const paused = gate();
    const zombie = new RecordingPublisher();
    zombie.before = () => paused.opened;
    const first = relay({ publisher: zombie });
    await append(stream, 0, 'a');
    await eventually('the first is in the middle of a batch', () => zombie.attempts > 0);
    await cutRelay();
    relay();
    await eventually('the successor publishes', () => arrivedIn(tenant).length === 1);
    await append(stream, 1, 'b');
    await eventually('the successor goes on', () => arrivedIn(tenant).length === 2);
    const before = await readCursor(pool);
    paused.open();
    await eventually('the zombie notices', () => first.health().failing || !first.health().leading);
    const after = await readCursor(pool);
    expect(BigInt(after.position)).toBeGreaterThanOrEqual(BigInt(before.position));
    await append(stream, 2, 'c');
    await eventually('nothing was skipped', () => arrivedIn(tenant).length === 3);
  });

  test('only the newest epoch moves the cursor, and heads move with it or not at all', async () => {
    const tenant = newTenant();
    const [old, current] = [await takeEpoch(pool), await takeEpoch(pool)];
    const head = { tenant, frontier: { size: 1, hashes: ['ab'.repeat(32)] } };
    const to = { xid: old.cursor.xid, position: String(BigInt(old.cursor.position) + 1n) };
    await expect(moveCursor(pool, old.epoch, to, [head])).rejects.toThrow('another relay has taken over');
    expect(await readCursor(pool)).toEqual(current.cursor);
    expect((await pool.query('SELECT FROM stream_heads WHERE tenant = $1', [tenant])).rowCount).toBe(0);
    await moveCursor(pool, current.epoch, current.cursor, []);
  });

  test('each second with traffic a signed count and root of the tenant’s events is published, itself not counted', async () => {
    const tenant = newTenant();
    const stream = actionStream(tenant);
    relay({ headsMs: 300 });
    await append(stream, 0, 'a', 'b');
    const headsOf = (): readonly { events: number; root: string }[] => broker.heads.filter(({ envelope }) => envelope.tenant === tenant).map(({ envelope }) => envelope.data as { events: number; root: string });
    await eventually('the first head', () => headsOf().length === 1);
    await append(stream, 2, 'c');
    await eventually('the second head', () => headsOf().length === 2);
    await pauseMs(800);
    const leaves = [...arrivedIn(tenant)].sort((left, right) => Number(left.headers[HEADER.ordinal]) - Number(right.headers[HEADER.ordinal])).map(({ value }) => leafHash(value));
    expect(leaves).toHaveLength(3);
    const rootOf = (size: number): string => `sha256:${merkleRoot(leaves.slice(0, size)).toString('hex')}`;
    expect(headsOf()).toEqual([2, 3].map((events) => ({ service: 'policy', events, root: rootOf(events) })));
    const [head] = broker.heads.filter(({ envelope }) => envelope.tenant === tenant);
    expect([head?.topic, head?.key, head?.headers[HEADER.ordinal]]).toEqual([EVENT_TOPICS.directory.name, `${tenant}/stream-heads/policy`, undefined]);
  });

  test('a backlog goes out in bounded batches', async () => {
    const tenant = newTenant();
    const streams = Array.from({ length: 20 }, () => actionStream(tenant));
    await store.transact({ streams }, (tx) => store.append(tx, streams.map((stream) => ({ stream, expectedVersion: 0, events: Array.from({ length: 10 }, () => withdrawn('x'.repeat(900))) }))));
    let largest = 0;
    const counting = { publish: (topic: string, messages: readonly (typeof broker.arrived)[number][]): Promise<void> => {
      largest = Math.max(largest, messages.length);
      return broker.publish(topic, messages);
    } };
    relay({ batchSize: 64, publisher: counting as RelayOptions['publisher'] });
    await eventually('all arrive', () => arrivedIn(tenant).length === 200);
    expect(largest).toBe(64);
    for (const stream of streams) expect(broker.versionsByKey().get(streamKey(stream))).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });
});
