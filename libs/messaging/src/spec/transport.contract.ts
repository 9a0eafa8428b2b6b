import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { QUIET } from '@exequatur/testing';
import type { Topic } from '@exequatur/contracts';
import { partitionOf } from '../partition.js';
import type { OutgoingMessage, Subscription, Transport } from '../port.js';
import { ConsumerProcess } from './consumer-process.js';
import type { TransportRecipe } from './consumer-process.js';
import { RecordingConsumer, distinctMessages } from './recording-consumer.js';
import { eventually, pauseMs } from './waiting.js';

/** One way of carrying messages, as the suite needs it. */
export interface TransportSurroundings {
  /** A transport of its own connections, as another process would have, whose members are replaced after takeOverMs. */
  readonly recipe: TransportRecipe;
  makeReplaceable(): Transport;
  /** One whose members are not replaced, however long a loaded machine keeps them from saying that they live. */
  make(): Transport;
  /** Creates a topic that nobody used before. */
  createTopic(partitions: number): Promise<Topic>;
  /** After how long another member takes over from one that vanished, if that can be replaced. */
  readonly takeOverMs: number;
  /** Makes the server unreachable for everyone, without warning, until `end()`. */
  outage(): Promise<{ end(): Promise<void> }>;
  close(): Promise<void>;
}

export const KEYS = Array.from({ length: 12 }, (_, n) => `acme/action/${n}`);
const PARTITIONS = 6;

const numbered = (count: number, key: (n: number) => string, from = 0): OutgoingMessage[] =>
  Array.from({ length: count }, (_, n) => ({ key: key(n + from), value: Buffer.from(String(n + from)), headers: {} }));

/** What both transports promise; see port.ts. */
export const runTransportContract = (name: string, startMs: number, start: () => Promise<TransportSurroundings>): void =>
  describe(`transport contract: ${name}`, () => {
    let surroundings: TransportSurroundings;
    let producer: Transport;
    const open = new Set<Transport>();

    beforeAll(async () => {
      surroundings = await start();
      producer = surroundings.make();
    }, startMs);
    afterEach(async () => {
      await Promise.all([...open].map((transport) => transport.close()));
      open.clear();
    });
    afterAll(async () => {
      await producer.close();
      await surroundings.close();
    });

    const newGroup = (): string => `policy.${randomUUID()}`;
    const member = async (group: string, topics: readonly Topic[], consumer: RecordingConsumer, transport = surroundings.make()): Promise<{ transport: Transport; subscription: Subscription }> => {
      open.add(transport);
      return { transport, subscription: await transport.subscribe({ group, topics: topics.map((topic) => topic.name), onBatch: consumer.onBatch }) };
    };
    const twelveKeys = (n: number): string => KEYS[n % KEYS.length] ?? '';
    const expectInOrder = (consumer: RecordingConsumer, count: number): void => {
      for (const [place, key] of KEYS.entries()) {
        const expected = Array.from({ length: count }, (_, n) => n).filter((n) => n % KEYS.length === place);
        expect(consumer.valuesOf(key)).toEqual(expected.map(String));
      }
    };

    test('carries bytes, keys and headers unchanged', async () => {
      const topic = await surroundings.createTopic(1);
      const value = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
      await producer.publisher.publish(topic.name, [
        { key: 'acme/action/1', value, headers: { traceparent: '00-1-2-01', 'exq-path': '0/1:' } },
        { key: 'acme/action/1', value: Buffer.alloc(0), headers: {} },
      ]);
      const consumer = new RecordingConsumer();
      await member(newGroup(), [topic], consumer);
      await eventually('delivery', () => consumer.taken.length === 2);
      expect(consumer.taken[0]).toMatchObject({ topic: topic.name, partition: 0, offset: '0', key: 'acme/action/1', headers: { traceparent: '00-1-2-01', 'exq-path': '0/1:' } });
      expect(consumer.taken[0]?.value.equals(value)).toBe(true);
      expect(consumer.taken[1]).toMatchObject({ offset: '1', headers: {} });
      expect(consumer.taken[1]?.value).toHaveLength(0);
    });

    test('invariant 19: messages of one key keep their order, each on the partition of its key', async () => {
      const topic = await surroundings.createTopic(PARTITIONS);
      const consumer = new RecordingConsumer();
      await member(newGroup(), [topic], consumer);
      for (let from = 0; from < 600; from += 60) await producer.publisher.publish(topic.name, numbered(60, twelveKeys, from));
      await eventually('600 messages', () => consumer.distinct() === 600);
      expectInOrder(consumer, 600);
      for (const { key, partition } of consumer.taken) expect(partition).toBe(partitionOf(key, PARTITIONS));
    });

    test('a batch beyond every bound of a request arrives whole and in order', async () => {
      const topic = await surroundings.createTopic(1);
      const large = Array.from({ length: 12 }, (_, n) => ({ key: 'acme/action/1', value: Buffer.alloc(n === 5 ? 1_000_000 : 200_000, n), headers: {} }));
      await producer.publisher.publish(topic.name, large);
      const consumer = new RecordingConsumer();
      await member(newGroup(), [topic], consumer);
      await eventually('12 messages', () => consumer.taken.length === 12);
      expect(consumer.taken.map(({ value }) => [value.length, value[0]])).toEqual(large.map(({ value }) => [value.length, value[0]]));
    });

    test('a group that starts later sees everything from the beginning, and groups do not disturb each other', async () => {
      const topic = await surroundings.createTopic(2);
      const [first, second] = [new RecordingConsumer(), new RecordingConsumer()];
      await member(newGroup(), [topic], first);
      await producer.publisher.publish(topic.name, numbered(24, twelveKeys));
      await eventually('first group', () => first.distinct() === 24);
      await member(newGroup(), [topic], second);
      await eventually('second group', () => second.distinct() === 24);
      expectInOrder(second, 24);
    });

    test('invariant 20: a rejected batch is delivered again from its first message until it is taken', async () => {
      const topic = await surroundings.createTopic(1);
      const consumer = new RecordingConsumer();
      let failures = 3;
      consumer.act = () => (failures-- > 0 ? Promise.reject(new Error('the database is away')) : Promise.resolve());
      await member(newGroup(), [topic], consumer);
      await producer.publisher.publish(topic.name, numbered(10, () => 'acme/action/1'));
      await eventually('10 messages', () => consumer.distinct() === 10);
      expect(consumer.valuesOf('acme/action/1')).toEqual(numbered(10, () => '').map(({ value }) => value.toString()));
      expect(consumer.delivered.filter(({ offset }) => offset === '0')).toHaveLength(4);
    });

    test('invariant 20: a restarted group goes on after what was acknowledged, and repeats what was not', async () => {
      const topic = await surroundings.createTopic(1);
      const group = newGroup();
      const first = new RecordingConsumer();
      const { transport } = await member(group, [topic], first);
      await producer.publisher.publish(topic.name, numbered(5, () => 'k'));
      await eventually('5 messages', () => first.distinct() === 5);
      let rejected = false;
      first.act = () => {
        rejected = true;
        return Promise.reject(new Error('down'));
      };
      await producer.publisher.publish(topic.name, numbered(5, () => 'k', 5));
      await eventually('a rejection', () => rejected);
      open.delete(transport);
      await transport.close();
      const second = new RecordingConsumer();
      await member(group, [topic], second);
      await eventually('5 more', () => second.distinct() === 5);
      expect(second.valuesOf('k')).toEqual(['5', '6', '7', '8', '9']);
    });

    test('a failing partition pauses alone, and health tells', async () => {
      const topic = await surroundings.createTopic(PARTITIONS);
      const consumer = new RecordingConsumer();
      const sick = KEYS[0] ?? '';
      let healed = false;
      consumer.act = (messages) => (!healed && messages.some(({ key }) => key === sick) ? Promise.reject(new Error('down')) : Promise.resolve());
      const { subscription } = await member(newGroup(), [topic], consumer);
      await eventually('first fetch', () => subscription.health().sinceFetchMs < 500);
      await producer.publisher.publish(topic.name, numbered(120, twelveKeys));
      const healthy = KEYS.filter((key) => partitionOf(key, PARTITIONS) !== partitionOf(sick, PARTITIONS));
      await eventually('the other partitions', () => healthy.every((key) => consumer.valuesOf(key).length === 10));
      await producer.publisher.publish(topic.name, numbered(120, twelveKeys, 120));
      await eventually('the other partitions again', () => healthy.every((key) => consumer.valuesOf(key).length === 20));
      expect(consumer.valuesOf(sick)).toEqual([]);
      await eventually('failing', () => subscription.health().failing && subscription.health().lag >= 10);
      healed = true;
      await eventually('all', () => consumer.distinct() === 240);
      expectInOrder(consumer, 240);
      await eventually('healthy', () => !subscription.health().failing && subscription.health().lag === 0);
      await eventually('fetching', () => subscription.health().sinceFetchMs < 5_000);
    });

    test('a member that leaves hands its partitions to the other; both together miss nothing', async () => {
      const topics = [await surroundings.createTopic(3), await surroundings.createTopic(3)];
      const group = newGroup();
      const [first, second] = [new RecordingConsumer(), new RecordingConsumer()];
      const leaving = await member(group, topics, first);
      // It asks for what is free more often than a patient one.
      await member(group, topics, second, surroundings.makeReplaceable());
      const all = (): number => distinctMessages([...first.taken, ...second.taken]);
      for (const { name: topicName } of topics) await producer.publisher.publish(topicName, numbered(120, twelveKeys));
      await eventually('the first round', () => all() === 240);
      open.delete(leaving.transport);
      await leaving.transport.close();
      const before = first.delivered.length;
      for (const { name: topicName } of topics) await producer.publisher.publish(topicName, numbered(120, twelveKeys, 120));
      await eventually('the second round', () => all() === 480);
      expect(first.delivered).toHaveLength(before);
      for (const key of KEYS) expect(second.valuesOf(key).map(Number)).toEqual([...second.valuesOf(key)].map(Number).sort((a, b) => a - b));
    });

    test('a slow handler keeps its partition beyond the time after which others take over', async () => {
      const topic = await surroundings.createTopic(1);
      const group = newGroup();
      const [slow, other] = [new RecordingConsumer(), new RecordingConsumer()];
      slow.act = () => pauseMs(surroundings.takeOverMs * 1.5);
      await member(group, [topic], slow, surroundings.makeReplaceable());
      await producer.publisher.publish(topic.name, numbered(1, () => 'k'));
      await eventually('the slow one began', () => slow.delivered.length === 1);
      await eventually('the slow one ended', () => slow.taken.length === 1);
      slow.act = () => Promise.resolve();
      await member(group, [topic], other, surroundings.makeReplaceable());
      await producer.publisher.publish(topic.name, numbered(1, () => 'k', 1));
      await eventually('the next message', () => slow.taken.length + other.taken.length === 2);
      expect([...slow.delivered, ...other.delivered].map(({ value }) => value.toString())).toEqual(['0', '1']);
    });

    test('stop waits for the batch in flight and acknowledges it', async () => {
      const topic = await surroundings.createTopic(1);
      const group = newGroup();
      const consumer = new RecordingConsumer();
      consumer.act = () => pauseMs(500);
      const { transport } = await member(group, [topic], consumer);
      await producer.publisher.publish(topic.name, numbered(1, () => 'k'));
      await eventually('it began', () => consumer.delivered.length === 1);
      open.delete(transport);
      await transport.close();
      expect(consumer.taken).toHaveLength(1);
      const next = new RecordingConsumer();
      await member(group, [topic], next);
      await producer.publisher.publish(topic.name, numbered(1, () => 'k', 1));
      await eventually('the next message', () => next.taken.length > 0);
      expect(next.valuesOf('k')).toEqual(['1']);
    });

    test('invariant 20: after kill -9 of a consumer process another goes on where it had acknowledged; nothing is lost', async () => {
      const topic = await surroundings.createTopic(PARTITIONS);
      const group = newGroup();
      const count = 1_200;
      // It never comes to the end of any partition, so it is always killed in the middle.
      const child = new ConsumerProcess(surroundings.recipe, group, [topic.name], { perMessageMs: 10, holdAt: 150 });
      try {
        for (let from = 0; from < count; from += 200) await producer.publisher.publish(topic.name, numbered(200, twelveKeys, from));
        // Some batches acknowledged, others in the middle: a batch is at most 100 messages of one partition, 200 are there.
        await eventually('the child is under way', () => child.lines().some(({ offset }) => offset > 110));
        const before = await child.kill();
        const survivor = new RecordingConsumer();
        await member(group, [topic], survivor, surroundings.makeReplaceable());
        const all = (): Set<string> => new Set([...before.map(({ value }) => value), ...survivor.taken.map(({ value }) => value.toString())]);
        await eventually('everything', () => all().size === count);
        await eventually('the survivor is at rest', async () => {
          const seen = survivor.taken.length;
          await pauseMs(300);
          return survivor.taken.length === seen;
        });
        expect(before.length).toBeLessThan(count);
        expect(survivor.taken.length).toBeLessThan(count);
        const repeated = before.filter(({ partition, offset }) => survivor.taken.some((message) => message.partition === partition && Number(message.offset) === offset));
        expect(repeated.length).toBeGreaterThan(0);
        for (const key of KEYS) {
          const values = survivor.valuesOf(key).map(Number);
          expect(values).toEqual([...values].sort((a, b) => a - b));
        }
      } finally {
        child.dispose();
      }
    });

    test('invariant 19, 20: an outage under load loses nothing and changes no order, and both ends come back by themselves', async () => {
      const topic = await surroundings.createTopic(PARTITIONS);
      const consumer = new RecordingConsumer();
      const { subscription } = await member(newGroup(), [topic], consumer);
      let over = false;
      // As the relay does: one awaited batch at a time, again until it is taken; and some more once the outage is over.
      const publishing = (async () => {
        let from = 0;
        for (let more = 10; more > 0; from += 24, more -= over ? 1 : 0) {
          for (;;) {
            try {
              await producer.publisher.publish(topic.name, numbered(24, twelveKeys, from));
              break;
            } catch {
              await pauseMs(50);
            }
          }
          await pauseMs(20);
        }
        return from;
      })();
      await eventually('traffic', () => consumer.taken.length > 200);
      const outage = await surroundings.outage();
      await pauseMs(1_500);
      expect(subscription.health().sinceFetchMs).toBeGreaterThan(500);
      const leaving = surroundings.make();
      await leaving.subscribe({ group: newGroup(), topics: [topic.name], onBatch: consumer.onBatch }).catch(() => undefined);
      await pauseMs(200);
      const asked = performance.now();
      await leaving.close();
      expect(performance.now() - asked).toBeLessThan(QUIET ? 5_000 : 30_000);
      const during = consumer.distinct();
      await outage.end();
      over = true;
      const count = await publishing;
      await eventually('everything', () => consumer.distinct() === count);
      expect(during).toBeLessThan(count);
      expectInOrder(consumer, count);
      await eventually('health', () => !subscription.health().failing && subscription.health().sinceFetchMs < 1_000);
    });

    test('publishing to a topic that does not exist rejects, again and again: nothing creates it', async () => {
      for (let attempt = 0; attempt < 2; attempt += 1) await expect(producer.publisher.publish('exequatur.nowhere.v1', numbered(1, () => 'k'))).rejects.toThrow();
    });

    test('ensureTopics accepts what exists and refuses another number of partitions', async () => {
      const topic = await surroundings.createTopic(2);
      await producer.ensureTopics([topic]);
      await expect(producer.ensureTopics([{ ...topic, partitions: 1 }])).rejects.toThrow('partitions');
    });
  });
