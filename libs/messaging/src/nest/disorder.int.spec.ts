import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres } from '@exequatur/testing';
import type pg from 'pg';
import { MAX_PARKED_PER_STREAM, ParkingFull } from '../inbox/stream-positions.js';
import { silentLogger } from '../logger.js';
import type { IncomingMessage, SubscribeOptions, Transport } from '../port.js';
import { postgresTransport } from '../postgres/postgres-transport.js';
import { Behaviour, approvalsTables, startApprovals } from '../spec/approvals-app.contract.js';
import type { ApprovalsApp } from '../spec/approvals-app.contract.js';
import { onBusDatabase } from '../spec/bus-database.js';
import type { BusDatabase } from '../spec/bus-database.js';
import { ACTIONS, actionEvent, newActionId } from '../spec/signed-events.contract.js';
import { pauseMs } from '../spec/waiting.js';
import { DeterministicFailure } from './deterministic-failure.js';

const STREAMS = 5;
const VERSIONS = 8;

/** mulberry32: the run's seed is in its test's name. */
const randomOf = (seed: number) => {
  let state = seed;
  return (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const shuffled = <T>(all: readonly T[], random: () => number): T[] =>
  all.map((value) => ({ value, place: random() })).sort((a, b) => a.place - b.place).map(({ value }) => value);

/**
 * No transport delivers like this; after rebalances, outages and replays all of it together is still the worst that can
 * happen: two members that both believe in their assignment, any order, repetitions, failing transactions.
 */
describe.each(['events', 'runs'] as const)('disorder, with a handler of %s', (taking) => {
  let database: BusDatabase;
  let pool: pg.Pool;
  let bus: Transport;

  beforeAll(async () => {
    database = await onBusDatabase(await startTestPostgres());
    pool = database.poolOf('approvals');
    await pool.query(approvalsTables);
    bus = postgresTransport({ connectionString: database.urlOf('approvals'), service: 'approvals' });
  });
  afterAll(async () => {
    await bus.close();
    await database.close();
  });

  /** A member of the service whose batches this spec hands over itself; everything behind that is real. */
  const handFed = async (behaviour: Behaviour): Promise<{ member: ApprovalsApp; deliver: SubscribeOptions['onBatch'] }> => {
    let deliver: SubscribeOptions['onBatch'] | undefined;
    const scripted: Transport = {
      publisher: bus.publisher,
      ensureTopics: () => Promise.resolve(), forgetTaken: () => Promise.resolve(),
      close: () => Promise.resolve(),
      subscribe: ({ onBatch }) => {
        deliver = onBatch;
        return Promise.resolve({ stop: () => Promise.resolve(), health: () => ({ sinceFetchMs: 0, lag: 0, failing: false }) });
      },
    };
    const member = await startApprovals(pool, scripted, behaviour, silentLogger, taking);
    if (deliver === undefined) throw new Error('the strategy did not subscribe');
    return { member, deliver };
  };

  const messagesOf = (ids: readonly string[]): IncomingMessage[] =>
    ids
      .flatMap((id) => Array.from({ length: VERSIONS }, (_, version) => actionEvent(id, version + 1).message))
      .map((message, offset) => ({ ...message, topic: ACTIONS, partition: 0, offset: String(offset) }));

  const effectsByAction = async (ids: readonly string[]): Promise<string[][]> => {
    const { rows } = await pool.query<{ action_id: string; reason: string }>('SELECT action_id, reason FROM effect ORDER BY number');
    return ids.map((id) => rows.filter((row) => row.action_id === id).map(({ reason }) => reason));
  };
  const inOrder = Array.from({ length: VERSIONS }, (_, version) => `number ${version + 1}`);

  const deliverLikeATransport = async (deliver: SubscribeOptions['onBatch'], messages: readonly IncomingMessage[], random: () => number): Promise<void> => {
    for (let first = 0; first < messages.length; ) {
      const batch = messages.slice(first, first + 1 + Math.floor(random() * 10));
      for (;;) {
        try {
          await deliver(batch);
          break;
        } catch {
          await pauseMs(random() * 5);
        }
      }
      first += batch.length;
    }
  };

  test.each(Array.from({ length: 8 }, (_, n) => n + 1))('invariant 5, 19, 22: each effect once and in order, with two overlapping members, any order, repetitions and failures (seed %i)', async (seed) => {
    const random = randomOf(seed);
    const ids = Array.from({ length: STREAMS }, newActionId);
    const messages = messagesOf(ids);
    const behaviour = new Behaviour();
    behaviour.act = async () => {
      await pauseMs(random() * 3);
      if (random() < 0.1) throw new Error('the connection broke');
    };
    const members = await Promise.all([handFed(behaviour), handFed(behaviour)]);
    const redriving = (async () => {
      for (let n = 0; n < 20; n += 1) {
        await members[0].member.strategy.redrive(`acme/action/${ids[n % STREAMS]}`).catch(() => undefined);
        await pauseMs(random() * 20);
      }
    })();
    await Promise.all(members.map(({ deliver }) => deliverLikeATransport(deliver, shuffled([...messages, ...messages], random), random)));
    await redriving;
    expect(await effectsByAction(ids)).toEqual(ids.map(() => inOrder));
    expect((await pool.query('SELECT 1 FROM inbox_parked')).rowCount).toBe(0);
    expect(behaviour.calls.length).toBeGreaterThan(STREAMS * VERSIONS);
    await Promise.all(members.map(({ member }) => member.app.close()));
  });

  test.each([11, 12, 13, 14])('invariant 19: what arrives while an operator re-drives its stream is not left behind (seed %i)', async (seed) => {
    const random = randomOf(seed);
    const ids = Array.from({ length: STREAMS }, newActionId);
    const behaviour = new Behaviour();
    let broken = true;
    behaviour.act = async ({ event }) => {
      await pauseMs(random() * 3);
      if (broken && event.data.reason === 'number 3') throw new DeterministicFailure('NOT_YET', 'fixed by the next release');
    };
    const { member, deliver } = await handFed(behaviour);
    const messages = shuffled(messagesOf(ids), random);
    await deliverLikeATransport(deliver, messages.filter((_, place) => place % 2 === 0), random);
    const redrivingAll = async (): Promise<void> => void (await Promise.all(ids.map((id) => member.strategy.redrive(`acme/action/${id}`))));
    broken = false;
    await Promise.all([redrivingAll(), deliverLikeATransport(deliver, messages.filter((_, place) => place % 2 === 1), random)]);
    await redrivingAll();
    expect(await effectsByAction(ids)).toEqual(ids.map(() => inOrder));
    expect((await pool.query('SELECT 1 FROM inbox_parked')).rowCount).toBe(0);
    await member.app.close();
  });

  test('invariant 19: an event that finds a gap just when a re-drive closes it is taken, not parked behind it', async () => {
    const [id = '', other = ''] = [newActionId(), newActionId()];
    const behaviour = new Behaviour();
    let broken = true;
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    behaviour.act = ({ event }) => {
      if (event.subject === other) return held;
      return broken && event.data.reason === 'number 2' ? Promise.reject(new DeterministicFailure('NOT_YET', 'fixed by the next release')) : Promise.resolve();
    };
    const { member, deliver } = await handFed(behaviour);
    const [first, second, third] = messagesOf([id]);
    const [elsewhere] = messagesOf([other]);
    if (!first || !second || !third || !elsewhere) throw new Error('too few messages');
    await deliver([first, second]);
    const delivered = deliver([elsewhere, third]);
    await pauseMs(100);
    broken = false;
    expect(await member.strategy.redrive(`acme/action/${id}`)).toEqual({ taken: 1, waiting: [] });
    letGo();
    await delivered;
    expect((await effectsByAction([id]))[0]).toEqual(['number 1', 'number 2', 'number 3']);
    await member.app.close();
  });

  test('a stream whose parking is full stops its partition instead of losing events, and goes on when the gap closes', async () => {
    const id = newActionId();
    const { member, deliver } = await handFed(new Behaviour());
    const [first, second, third] = messagesOf([id]);
    if (!first || !second || !third) throw new Error('too few messages');
    await pool.query(
      `INSERT INTO inbox_parked (topic, stream_key, version, partition, "offset", head, value) SELECT $1, $2, n, 0, n, '{"key":"","headers":{}}', '' FROM generate_series(4, $3 + 3) AS n`,
      [ACTIONS, first.key, MAX_PARKED_PER_STREAM],
    );
    await expect(deliver([third])).rejects.toThrow(ParkingFull);
    await expect(deliver([third])).rejects.toThrow(ParkingFull);
    await pool.query('DELETE FROM inbox_parked');
    await deliver([third]);
    await deliver([first, second]);
    expect((await effectsByAction([id]))[0]).toEqual(['number 1', 'number 2', 'number 3']);
    await member.app.close();
  });
});
