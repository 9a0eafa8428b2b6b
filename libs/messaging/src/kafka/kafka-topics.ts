import { setTimeout as delay } from 'node:timers/promises';
import { INTAKE_TOPIC, SERVICES, deadLetterTopic } from '@exequatur/contracts';
import type { Topic } from '@exequatur/contracts';
import type { Admin, ITopicConfig, Kafka } from 'kafkajs';
import { MAX_EVENT_BYTES } from '../nest/event-reader.js';

/** How long new topics may take to get their leaders. */
const LEADERS_WITHIN_MS = 30_000;

const deadLetterTopics = new Set(SERVICES.map((service) => deadLetterTopic(service).name));

const DAY_MS = 86_400_000;

/**
 * Events are kept for ever, since a new consumer group needs each stream from its first one. What agents sent in clear is not: a
 * signed proposal counts for a day at most, and dead letters are re-driven from the service's own table.
 */
export const retentionMs = (topic: string): number => {
  if (topic === INTAKE_TOPIC.name) return 2 * DAY_MS;
  return deadLetterTopics.has(topic) ? 7 * DAY_MS : -1;
};

/** A dead letter is any message that a topic took, with further headers: it must fit where it goes, or its partition would stand still. */
const configEntries = (topic: string): { name: string; value: string }[] => [
  { name: 'cleanup.policy', value: 'delete' },
  { name: 'retention.ms', value: String(retentionMs(topic)) },
  { name: 'retention.bytes', value: '-1' },
  // A segment goes as a whole, by its newest message: a long one would keep what is old.
  ...(retentionMs(topic) === -1 ? [] : [{ name: 'segment.ms', value: String(DAY_MS / 4) }]),
  { name: 'max.message.bytes', value: String((deadLetterTopics.has(topic) ? 3 : 2) * MAX_EVENT_BYTES) },
];

/** Partitions per topic that have a leader; waiting for leaders inside createTopics failed now and then (kafkajs 2.2.4 on brokers 4.x). */
const ledPartitions = async (admin: Admin, names: readonly string[]): Promise<ReadonlyMap<string, number>> => {
  try {
    const { topics } = await admin.fetchTopicMetadata({ topics: [...names] });
    return new Map(topics.map(({ name, partitions }) => [name, partitions.filter(({ leader }) => leader >= 0).length]));
  } catch {
    return new Map();
  }
};

const awaitLeaders = async (admin: Admin, topics: readonly Topic[]): Promise<void> => {
  const deadline = performance.now() + LEADERS_WITHIN_MS;
  for (;;) {
    const led = await ledPartitions(admin, topics.map(({ name }) => name));
    const unlike = topics.find(({ name, partitions }) => (led.get(name) ?? 0) > partitions);
    if (unlike !== undefined) throw new Error(`topic ${unlike.name} has more than its ${unlike.partitions} partitions; they are fixed, since a change re-keys streams`);
    const waiting = topics.filter(({ name, partitions }) => (led.get(name) ?? 0) < partitions).map(({ name }) => name);
    if (waiting.length === 0) return;
    if (performance.now() > deadline) throw new Error(`topics without all their partitions: ${waiting.join(', ')}`);
    await delay(100);
  }
};

/** Creates what is missing, with explicit partitions; alters nothing. @throws when an existing topic has other partitions */
export const ensureKafkaTopics = async (kafka: Kafka, topics: readonly Topic[], replicationFactor: number): Promise<void> => {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const existing = new Set(await admin.listTopics());
    const missing = topics.filter(({ name }) => !existing.has(name)).map(({ name, partitions }): ITopicConfig => ({ topic: name, numPartitions: partitions, replicationFactor, configEntries: configEntries(name) }));
    if (missing.length > 0) await admin.createTopics({ waitForLeaders: false, topics: missing });
    await awaitLeaders(admin, topics);
  } finally {
    await admin.disconnect();
  }
};
