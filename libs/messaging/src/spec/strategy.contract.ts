import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { ApprovalRejected } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import type pg from 'pg';
import { DeterministicFailure } from '../nest/deterministic-failure.js';
import { MAX_EVENT_BYTES } from '../nest/event-reader.js';
import type { IncomingMessage, Transport } from '../port.js';
import { Behaviour, approvalsTables, startApprovals } from './approvals-app.contract.js';
import type { ApprovalsApp } from './approvals-app.contract.js';
import type { BusDatabase } from './bus-database.js';
import { RecordingConsumer } from './recording-consumer.js';
import { ACTIONS, actionEvent, keys, newActionId } from './signed-events.contract.js';
import type { SignedEvent } from './signed-events.contract.js';
import { eventually, pauseMs } from './waiting.js';

const DEAD_LETTERS = 'exequatur.dead-letters.approvals.v1';

export interface StrategySurroundings {
  /** Every topic of contracts exists on it. */
  transportOf(service: ServiceName): Transport;
  readonly database: BusDatabase;
  close(): Promise<void>;
}

/** What a service may count on when it handles events, on either transport: real Nest, event store, signatures, database. */
export const runStrategyContract = (name: string, startMs: number, start: () => Promise<StrategySurroundings>): void => describe(`ExequaturStrategy over ${name}`, () => {
  let surroundings: StrategySurroundings;
  let database: BusDatabase;
  let pool: pg.Pool;
  let policy: Transport;
  let approvals: Transport;
  let morgue: Transport;
  const letters = new RecordingConsumer();
  let behaviour: Behaviour;
  let running: ApprovalsApp;

  beforeAll(async () => {
    surroundings = await start();
    database = surroundings.database;
    pool = database.poolOf('approvals');
    await pool.query(approvalsTables);
    policy = surroundings.transportOf('policy');
    morgue = surroundings.transportOf('audit');
    await morgue.subscribe({ group: 'audit.morgue', topics: [DEAD_LETTERS], onBatch: letters.onBatch });
  }, startMs);
  afterAll(async () => {
    await policy.close();
    await morgue.close();
    await surroundings.close();
  });
  beforeEach(async () => {
    await pool.query('TRUNCATE effect');
    approvals = surroundings.transportOf('approvals');
    behaviour = new Behaviour();
    running = await startApprovals(pool, approvals, behaviour);
  });
  afterEach(async () => {
    await running.app.close();
    await approvals.close();
  });

  const publish = (...events: readonly SignedEvent[]): Promise<void> => policy.publisher.publish(ACTIONS, events.map(({ message }) => message));
  const effectsAre = async (...reasons: string[]): Promise<void> => {
    await eventually(`effects ${reasons.join(', ')}`, async () => (await running.effects()).length >= reasons.length);
    expect(await running.effects()).toEqual(reasons);
  };
  const deadLetters = (key: string): IncomingMessage[] => letters.taken.filter((letter) => letter.key === key);
  const quarantinedFor = async (reason: string): Promise<number> => (await running.quarantined()).filter((each) => each.reason.startsWith(reason)).length;
  const parked = async (key: string): Promise<number> => (await pool.query('SELECT 1 FROM inbox_parked WHERE stream_key = $1', [key])).rowCount ?? 0;
  const settled = async (key: string): Promise<number> => (await pool.query<{ version: number }>('SELECT version::int FROM inbox_stream WHERE stream_key = $1', [key])).rows[0]?.version ?? 0;

  test('brings events to their handler in the order of the stream', async () => {
    const id = newActionId();
    await publish(actionEvent(id, 1), actionEvent(id, 2));
    await publish(actionEvent(id, 3));
    await effectsAre('number 1', 'number 2', 'number 3');
  });

  test('invariant 20: a handler that throws leads to redelivery, never to a skipped message', async () => {
    const id = newActionId();
    let failures = 3;
    behaviour.act = () => (failures-- > 0 ? Promise.reject(new Error('the database is away')) : Promise.resolve());
    await publish(actionEvent(id, 1), actionEvent(id, 2));
    await effectsAre('number 1', 'number 2');
    expect(behaviour.calls).toEqual(['number 1', 'number 1', 'number 1', 'number 1', 'number 2']);
    expect(await running.quarantined()).toEqual([]);
  });

  test('invariant 20: a handler that throws before its transaction is redelivered too', async () => {
    let failures = 2;
    behaviour.before = () => {
      if (failures-- > 0) throw new TypeError('not a deterministic failure');
    };
    await publish(actionEvent(newActionId(), 1));
    await effectsAre('number 1');
  });

  test('invariant 27: while a handler fails, health says so and nothing is acknowledged', async () => {
    behaviour.act = () => Promise.reject(new Error('down'));
    await publish(actionEvent(newActionId(), 1));
    await eventually('failing', () => running.strategy.health()?.failing === true);
    expect(running.strategy.health()?.lag).toBeGreaterThan(0);
    behaviour.act = () => Promise.resolve();
    await eventually('recovered', () => running.strategy.health()?.failing === false && running.strategy.health()?.lag === 0);
  });

  test('invariant 19: a repeated event has no second effect', async () => {
    const id = newActionId();
    const event = actionEvent(id, 1);
    await publish(event, event, actionEvent(id, 2), event);
    await publish(event);
    await publish(actionEvent(id, 3));
    await effectsAre('number 1', 'number 2', 'number 3');
  });

  test('invariant 19: events that overtook an earlier one wait for it', async () => {
    const id = newActionId();
    const other = newActionId();
    await publish(actionEvent(id, 3), actionEvent(id, 2), actionEvent(other, 1));
    await effectsAre('number 1');
    await publish(actionEvent(id, 1));
    await effectsAre('number 1', 'number 1', 'number 2', 'number 3');
  });

  test('invariant 19: a transient failure among parked events loses none of them', async () => {
    const id = newActionId();
    await publish(actionEvent(id, 2), actionEvent(id, 3));
    await eventually('both are parked and acknowledged', async () => (await parked(`acme/action/${id}`)) === 2 && running.strategy.health()?.lag === 0);
    let failures = 2;
    behaviour.act = ({ event }) => (event.data.reason === 'number 2' && failures-- > 0 ? Promise.reject(new Error('away')) : Promise.resolve());
    await publish(actionEvent(id, 1));
    await effectsAre('number 1', 'number 2', 'number 3');
  });

  test('an event without a handler, and one of a type that is not known here, count for their stream', async () => {
    const id = newActionId();
    await publish(actionEvent(id, 1), actionEvent(id, 2, { type: 'dev.exequatur.actions.ActionMused.v1' }), actionEvent(id, 3));
    await effectsAre('number 1', 'number 3');
    await eventually('position', async () => (await settled(`acme/action/${id}`)) === 3);
  });

  test('a deterministic failure is dead-lettered with its reason, its stream parks, others go on, and a re-drive catches up', async () => {
    const [id, other] = [newActionId(), newActionId()];
    const refusedBefore = await quarantinedFor('APPROVAL_UNREADABLE');
    behaviour.act = ({ event }) => (event.data.reason === 'number 2' ? Promise.reject(new DeterministicFailure('APPROVAL_UNREADABLE', 'no such view')) : Promise.resolve());
    const poison = actionEvent(id, 2);
    await publish(actionEvent(id, 1), poison, actionEvent(id, 3), actionEvent(other, 1));
    await publish(actionEvent(id, 4), poison);
    await eventually('quarantine', async () => (await quarantinedFor('APPROVAL_UNREADABLE')) === refusedBefore + 1);
    await effectsAre('number 1', 'number 1');
    await eventually('a dead letter', () => deadLetters(`acme/action/${id}`).length > 0);
    await pauseMs(200);
    const [letter, ...more] = deadLetters(`acme/action/${id}`);
    expect(more).toHaveLength(0);
    expect(letter?.value.equals(poison.message.value)).toBe(true);
    expect(letter?.headers).toMatchObject({ 'exq-dead-reason': 'APPROVAL_UNREADABLE: no such view', 'exq-dead-topic': ACTIONS, 'exq-dead-service': 'approvals' });
    expect(running.strategy.health()?.failing).toBe(false);

    expect(await running.strategy.redrive(`acme/action/${id}`)).toEqual({ taken: 0, waiting: [{ topic: ACTIONS, version: 2, reason: 'APPROVAL_UNREADABLE: no such view' }] });
    behaviour.act = () => Promise.resolve();
    expect(await running.strategy.redrive(`acme/action/${id}`)).toEqual({ taken: 3, waiting: [] });
    expect(await running.effects()).toEqual(['number 1', 'number 1', 'number 2', 'number 3', 'number 4']);
    await publish(actionEvent(id, 5), poison);
    await effectsAre('number 1', 'number 1', 'number 2', 'number 3', 'number 4', 'number 5');
    expect(await running.strategy.redrive(`acme/action/${id}`)).toEqual({ taken: 0, waiting: [] });
  });

  test.each([
    ['invariant 12, 25: an event signed by another service', 'ORIGIN_UNPROVEN: signature_invalid', (id: string) => actionEvent(id, 1, { signedBy: { ...keys.executor.key, kid: keys.policy.key.kid } })],
    ['invariant 12, 25: an event under a key that is not pinned', 'ORIGIN_UNPROVEN: key_unknown', (id: string) => actionEvent(id, 1, { signedBy: keys.executor.key })],
    ['invariant 12, 25: an event without a proof', 'ORIGIN_UNPROVEN: the proof of origin is missing', (id: string) => ({ ...actionEvent(id, 1), message: { ...actionEvent(id, 1).message, headers: {} } })],
    ['invariant 25: an event with one changed letter', 'ORIGIN_UNPROVEN', (id: string) => actionEvent(id, 1, { tamper: (text) => text.replace('number 1', 'number 9') })],
    ['an event of another topic’s owner', 'WRONG_TOPIC', (id: string) => actionEvent(id, 1, { type: ApprovalRejected.type })],
    ['an event without the data of its type', 'INVALID_EVENT', (id: string) => actionEvent(id, 1, { data: { surprise: true } })],
    ['text that is not JSON', 'MALFORMED', (id: string) => actionEvent(id, 1, { tamper: (text) => text.slice(1) })],
    ['duplicate keys', 'ORIGIN_UNPROVEN', (id: string) => actionEvent(id, 1, { tamper: (text) => text.replace('{', '{"id":"x",') })],
    ['100,000 levels', 'MALFORMED', (id: string) => actionEvent(id, 1, { tamper: () => '['.repeat(100_000) + ']'.repeat(100_000) })],
    ['__proto__', 'ORIGIN_UNPROVEN', (id: string) => actionEvent(id, 1, { tamper: (text) => text.replace('"data":{', '"__proto__":{"tenant":"globex"},"data":{') })],
    ['the largest message a topic takes', 'TOO_LARGE', (id: string) => actionEvent(id, 1, { tamper: (text) => text.replace('number 1', 'x'.repeat(2 * MAX_EVENT_BYTES - 442 - text.length)) })],
  ])('%s goes to the dead letters, and the true event of that place is taken all the same', async (_, reason, forged) => {
    const id = newActionId();
    await publish(forged(id));
    await eventually('dead letter', () => deadLetters(`acme/action/${id}`).length === 1);
    expect(deadLetters(`acme/action/${id}`)[0]?.headers['exq-dead-reason']).toContain(reason);
    expect(await running.effects()).toEqual([]);
    if (reason === 'INVALID_EVENT') return;
    await publish(actionEvent(id, 1), actionEvent(id, 2));
    await effectsAre('number 1', 'number 2');
  });

  test('invariant 12: a forged event of a type without handler cannot make the true one pass for a duplicate', async () => {
    const id = newActionId();
    await publish(actionEvent(id, 1, { type: 'dev.exequatur.actions.ActionMused.v1', signedBy: keys.executor.key }), actionEvent(id, 1));
    await effectsAre('number 1');
  });

  test('invariant 18: a message whose key is another tenant’s stream is refused', async () => {
    const id = newActionId();
    const event = actionEvent(id, 1);
    await policy.publisher.publish(ACTIONS, [{ ...event.message, key: `globex/action/${id}` }]);
    await eventually('dead letter', () => deadLetters(`globex/action/${id}`).length === 1);
    expect(await running.effects()).toEqual([]);
  });

  test('invariant 20: survives the loss of every connection of its service', async () => {
    const ids = Array.from({ length: 20 }, newActionId);
    for (const [number, id] of ids.entries()) {
      await publish(actionEvent(id, 1));
      if (number % 5 === 2) await database.cut('approvals');
    }
    await eventually('all effects', async () => (await running.effects().catch(() => [])).length === ids.length);
    expect((await pool.query('SELECT DISTINCT action_id FROM effect')).rowCount).toBe(ids.length);
  });
});
