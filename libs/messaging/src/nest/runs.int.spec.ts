import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestPostgres } from '@exequatur/testing';
import type pg from 'pg';
import { silentLogger } from '../logger.js';
import type { IncomingMessage, SubscribeOptions, Transport } from '../port.js';
import { postgresTransport } from '../postgres/postgres-transport.js';
import { Behaviour, approvalsTables, startApprovals } from '../spec/approvals-app.contract.js';
import type { ApprovalsApp } from '../spec/approvals-app.contract.js';
import { onBusDatabase } from '../spec/bus-database.js';
import type { BusDatabase } from '../spec/bus-database.js';
import { ACTIONS, actionEvent, keys, newActionId } from '../spec/signed-events.contract.js';
import type { SignedEvent } from '../spec/signed-events.contract.js';
import { pauseMs } from '../spec/waiting.js';
import { DeterministicFailure } from './deterministic-failure.js';

const UNHANDLED = { type: 'dev.exequatur.actions.ActionMused.v1' };

describe('runs of events', () => {
  let database: BusDatabase;
  let pool: pg.Pool;
  let bus: Transport;
  let behaviour: Behaviour;
  let running: ApprovalsApp;
  let deliver: SubscribeOptions['onBatch'];

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
  /** This spec hands over the batches; everything behind that is real. */
  beforeEach(async () => {
    await pool.query('TRUNCATE effect');
    behaviour = new Behaviour();
    const subscribe: Transport['subscribe'] = ({ onBatch }) => {
      deliver = onBatch;
      return Promise.resolve({ stop: () => Promise.resolve(), health: () => ({ sinceFetchMs: 0, lag: 0, failing: false }) });
    };
    const scripted: Transport = { publisher: bus.publisher, ensureTopics: () => Promise.resolve(), forgetTaken: () => Promise.resolve(), close: () => Promise.resolve(), subscribe };
    running = await startApprovals(pool, scripted, behaviour, silentLogger, 'runs');
  });
  afterEach(() => running.app.close());

  const batch = (...events: readonly SignedEvent[]): IncomingMessage[] => events.map(({ message }, offset) => ({ ...message, topic: ACTIONS, partition: 0, offset: String(offset) }));
  const ids = (count: number): string[] => Array.from({ length: count }, newActionId);
  const keyOf = (id: string): string => `acme/action/${id}`;
  const settled = async (...of: readonly string[]): Promise<number[]> => {
    const { rows } = await pool.query<{ version: number }>('SELECT coalesce(s.version, 0)::int AS version FROM unnest($1::text[]) WITH ORDINALITY AS k (key, place) LEFT JOIN inbox_stream s ON s.stream_key = k.key ORDER BY k.place', [of.map(keyOf)]);
    return rows.map(({ version }) => version);
  };
  const parked = async (id: string): Promise<number> => (await pool.query('SELECT 1 FROM inbox_parked WHERE stream_key = $1', [keyOf(id)])).rowCount ?? 0;
  const say = (reason: string) => ({ data: { action_id: newActionId(), reason } });

  test('events of many streams come as one run, those without effect here between them', async () => {
    const [a = '', b = '', c = ''] = ids(3);
    await deliver(batch(actionEvent(a, 1, UNHANDLED), actionEvent(a, 2, say('a2')), actionEvent(b, 1, say('b1')), actionEvent(b, 1, say('b1')), actionEvent(c, 1, UNHANDLED), actionEvent(a, 3, say('a3'))));
    expect(behaviour.runs).toEqual([['a2', 'b1', 'a3']]);
    expect(await running.effects()).toEqual(['a2', 'b1', 'a3']);
    expect(await settled(a, b, c)).toEqual([3, 1, 1]);
  });

  test('one deterministic failure of a run is dead-lettered alone; its stream parks and the others are taken', async () => {
    const [a = '', b = '', c = ''] = ids(3);
    behaviour.act = ({ event }) => (event.data.reason === 'poison' ? Promise.reject(new DeterministicFailure('APPROVAL_UNREADABLE', 'no such view')) : Promise.resolve());
    const quarantined = (await running.quarantined()).length;
    await deliver(batch(actionEvent(a, 1, say('a1')), actionEvent(b, 1, say('poison')), actionEvent(b, 2, say('b2')), actionEvent(c, 1, say('c1'))));
    expect(await running.effects()).toEqual(['a1', 'c1']);
    expect((await running.quarantined()).slice(quarantined)).toMatchObject([{ reason: 'APPROVAL_UNREADABLE: no such view', tenant: 'acme' }]);
    expect(await settled(a, b, c)).toEqual([1, 0, 1]);
    expect(await parked(b)).toBe(1);
    behaviour.act = () => Promise.resolve();
    expect(await running.strategy.redrive(keyOf(b))).toEqual({ taken: 2, waiting: [] });
    expect(await running.effects()).toEqual(['a1', 'c1', 'poison', 'b2']);
  });

  test('invariant 20: a failing dependency refuses the batch; what stands before the event that fails stays taken', async () => {
    const [a = '', b = '', c = ''] = ids(3);
    behaviour.act = ({ event }) => (event.data.reason === 'b1' ? Promise.reject(new Error('away')) : Promise.resolve());
    const messages = batch(actionEvent(a, 1, say('a1')), actionEvent(b, 1, say('b1')), actionEvent(c, 1, say('c1')));
    await expect(deliver(messages)).rejects.toThrow();
    expect(await running.effects()).toEqual(['a1']);
    expect(await settled(a, b, c)).toEqual([1, 0, 0]);
    behaviour.act = () => Promise.resolve();
    await deliver(messages);
    expect(await running.effects()).toEqual(['a1', 'b1', 'c1']);
  });

  test.each([
    ['invariant 12: signed by another service', (id: string) => actionEvent(id, 1, { ...say('forged'), signedBy: keys.executor.key })],
    ['with a changed letter', (id: string) => actionEvent(id, 1, { ...say('forged'), tamper: (text) => text.replace('forged', 'farged') })],
    ['without the data of its type', (id: string) => actionEvent(id, 1, { data: { reason: 'forged' } })],
  ])('an event %s is refused from the middle of a run', async (_, forged) => {
    const [a = '', b = '', c = '', d = ''] = ids(4);
    const quarantined = (await running.quarantined()).length;
    await deliver(batch(actionEvent(a, 1, say('a1')), actionEvent(b, 1, say('b1')), forged(c), actionEvent(d, 1, say('d1')), actionEvent(d, 2, say('d2'))));
    expect(behaviour.runs).toEqual([['a1', 'b1'], ['d1', 'd2']]);
    expect(await running.effects()).toEqual(['a1', 'b1', 'd1', 'd2']);
    expect((await running.quarantined()).length).toBe(quarantined + 1);
    expect(await settled(a, c, d)).toEqual([1, 0, 2]);
  });

  test('batches of several partitions at the same time become one run; what comes meanwhile joins the next', async () => {
    const [a = '', b = '', c = '', d = ''] = ids(4);
    let letGo: () => void = () => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    behaviour.act = () => held;
    const first = [deliver(batch(actionEvent(a, 1, say('a1')))), deliver(batch(actionEvent(b, 1, say('b1')), actionEvent(b, 2, UNHANDLED)))];
    while (behaviour.runs.length === 0) await pauseMs(5);
    const next = [deliver(batch(actionEvent(c, 1, say('c1')))), deliver(batch(actionEvent(d, 1, say('d1'))))];
    await pauseMs(500);
    expect(behaviour.runs).toEqual([['a1', 'b1']]);
    letGo();
    await Promise.all([...first, ...next]);
    expect(behaviour.runs).toEqual([['a1', 'b1'], ['c1', 'd1']]);
    expect(await running.effects()).toEqual(['a1', 'b1', 'c1', 'd1']);
    expect(await settled(a, b, c, d)).toEqual([1, 2, 1, 1]);
  });

  test('invariant 20: of joined partitions only the one with the failing event is refused', async () => {
    const [a = '', b = '', c = ''] = ids(3);
    behaviour.act = ({ event }) => (event.data.reason === 'b1' ? Promise.reject(new Error('away')) : Promise.resolve());
    const outcomes = await Promise.allSettled([a, b, c].map((id, n) => deliver(batch(actionEvent(id, 1, say(`${'abc'[n] ?? ''}1`))))));
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((await running.effects()).sort()).toEqual(['a1', 'c1']);
    expect(await settled(a, b, c)).toEqual([1, 0, 1]);
  });

  test('a run delivered again has no second effect', async () => {
    const [a = '', b = ''] = ids(2);
    const messages = batch(actionEvent(a, 1, say('a1')), actionEvent(b, 1, say('b1')));
    await deliver(messages);
    await deliver(messages);
    await pool.query('DELETE FROM inbox_stream WHERE stream_key = ANY ($1)', [[keyOf(a), keyOf(b)]]);
    await deliver(messages);
    expect(await running.effects()).toEqual(['a1', 'b1']);
    expect(await settled(a, b)).toEqual([1, 1]);
  });

  test('a batch without effect here only moves its streams, again and again the same', async () => {
    const [a = '', b = ''] = ids(2);
    const messages = batch(actionEvent(a, 1, UNHANDLED), actionEvent(b, 1, UNHANDLED), actionEvent(a, 2, UNHANDLED));
    await deliver(messages);
    expect(await settled(a, b)).toEqual([2, 1]);
    await deliver(messages);
    await deliver(batch(actionEvent(a, 2, UNHANDLED), actionEvent(a, 3, UNHANDLED)));
    expect(await settled(a, b)).toEqual([3, 1]);
  });

  test('a batch without effect here parks behind a gap, and frees what was parked', async () => {
    const [a = '', b = ''] = ids(2);
    await deliver(batch(actionEvent(a, 2, UNHANDLED), actionEvent(b, 1, UNHANDLED)));
    expect([await settled(a, b), await parked(a)]).toEqual([[0, 1], 1]);
    await deliver(batch(actionEvent(a, 3, say('a3'))));
    expect(await parked(a)).toBe(2);
    await deliver(batch(actionEvent(a, 1, UNHANDLED)));
    expect([await settled(a), await parked(a)]).toEqual([[3], 0]);
    expect(await running.effects()).toEqual(['a3']);
  });

  test('invariant 12: a forged event without effect here moves nothing', async () => {
    const [a = ''] = ids(1);
    await deliver(batch(actionEvent(a, 1, { ...UNHANDLED, signedBy: keys.executor.key })));
    expect(await settled(a)).toEqual([0]);
    await deliver(batch(actionEvent(a, 1, say('a1'))));
    expect(await running.effects()).toEqual(['a1']);
  });
});
