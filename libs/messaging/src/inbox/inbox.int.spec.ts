import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { startTestPostgres } from '@exequatur/testing';
import type pg from 'pg';
import type { Delivery } from '../nest/delivery.js';
import { approvalsTables } from '../spec/approvals-app.contract.js';
import { onBusDatabase } from '../spec/bus-database.js';
import type { BusDatabase } from '../spec/bus-database.js';
import { ACTIONS, actionEvent, keys, newActionId } from '../spec/signed-events.contract.js';
import { Inbox } from './inbox.js';

describe('Inbox', () => {
  let database: BusDatabase;
  let pool: pg.Pool;
  let inbox: Inbox<PgTransaction>;

  beforeAll(async () => {
    database = await onBusDatabase(await startTestPostgres());
    pool = database.poolOf('approvals');
    await pool.query(approvalsTables);
    inbox = new Inbox(new PgEventStore({ pool, service: 'approvals', signingKey: keys.approvals.key }));
  });
  beforeEach(() => pool.query('TRUNCATE effect'));
  afterAll(() => database.close());

  /** Each delivery of an event is an object of its own. */
  const deliveries = (): (() => Delivery) => {
    const { message } = actionEvent(newActionId(), 1);
    return () => ({ event: JSON.parse(message.value.toString('utf8')), bytes: message.value, headers: message.headers, topic: ACTIONS, partition: 0, offset: '0' });
  };
  const write = (reason: string) => async (tx: PgTransaction): Promise<void> => void (await tx.query('INSERT INTO effect (reason) VALUES ($1)', [reason]));
  const written = async (): Promise<string[]> => (await pool.query<{ reason: string }>('SELECT reason FROM effect ORDER BY number')).rows.map(({ reason }) => reason);
  const noLocks = { streams: [] };

  test('the second delivery of an event makes no second effect', async () => {
    const next = deliveries();
    expect(await inbox.once(next(), noLocks, write('a'))).toBe('done');
    expect(await inbox.once(next(), noLocks, write('a'))).toBe('duplicate');
    expect(await written()).toEqual(['a']);
  });

  test('invariant 20: an effect that fails is forgotten as a whole and made by the next delivery', async () => {
    const next = deliveries();
    const failing = inbox.once(next(), noLocks, async (tx) => {
      await write('half')(tx);
      throw new Error('away');
    });
    await expect(failing).rejects.toThrow('away');
    expect(await inbox.once(next(), noLocks, write('whole'))).toBe('done');
    expect(await written()).toEqual(['whole']);
  });

  test('invariant 5: of deliveries side by side exactly one makes the effect', async () => {
    const next = deliveries();
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => inbox.once(next(), noLocks, write('a'))));
    expect(outcomes.sort()).toEqual(['done', ...Array.from({ length: 7 }, () => 'duplicate')]);
    expect(await written()).toEqual(['a']);
  });

  test('of a run only what was not done before is done, in its order, each event once', async () => {
    const [first, second, third] = [deliveries(), deliveries(), deliveries()];
    expect(await inbox.once(second(), noLocks, write('second'))).toBe('done');
    const seen: string[][] = [];
    const run = [third(), second(), first()];
    await inbox.onceMany([...run, third()], noLocks, (_, fresh) => Promise.resolve(void seen.push(fresh.map(({ event }) => event.id))));
    expect(seen).toEqual([[run[0]?.event.id, run[2]?.event.id]]);
    await inbox.onceMany([first(), third()], noLocks, write('again'));
    expect(await inbox.once(first(), noLocks, write('again'))).toBe('duplicate');
    expect(await written()).toEqual(['second']);
  });

  test('invariant 20: a run that fails is forgotten as a whole', async () => {
    const next = [deliveries(), deliveries()];
    const run = inbox.onceMany(next.map((each) => each()), noLocks, async (tx) => {
      await write('half')(tx);
      throw new Error('away');
    });
    await expect(run).rejects.toThrow('away');
    for (const each of next) expect(await inbox.once(each(), noLocks, write('whole'))).toBe('done');
    expect(await written()).toEqual(['whole', 'whole']);
  });

  test('invariant 5: of overlapping runs side by side each event has its effect once', async () => {
    const next = Array.from({ length: 6 }, () => deliveries());
    const runs = Array.from({ length: 8 }, (_, n) => next.slice(n % 3, (n % 3) + 4).map((each) => each()));
    await Promise.all(runs.map((run, n) => inbox.onceMany(n % 2 === 0 ? run : run.toReversed(), noLocks, async (tx, fresh) => {
      for (const { event } of fresh) await write(event.id)(tx);
    })));
    expect((await written()).sort()).toEqual(next.map((each) => each().event.id).sort());
  });

  test('two handlers of one event each make their own effect when they name it, and are refused when they do not', async () => {
    const next = deliveries();
    const delivery = next();
    expect(await inbox.once(delivery, noLocks, write('directory'), 'directory')).toBe('done');
    expect(await inbox.once(delivery, noLocks, write('queue'), 'queue')).toBe('done');
    await expect(inbox.once(delivery, noLocks, write('queue again'), 'queue')).rejects.toThrow('both named "queue"');
    expect(await inbox.once(next(), noLocks, write('queue'), 'queue')).toBe('duplicate');
    expect(await written()).toEqual(['directory', 'queue']);
  });
});
