import { randomUUID } from 'node:crypto';
import { Kafka, logLevel } from 'kafkajs';

/** A message as whoever reads the topic sees it: its key, value and headers in one text. */
export interface SeenMessage {
  readonly topic: string;
  readonly said: string;
}

/** Everything that can be read of these topics now, from their beginning. */
export const messagesOnKafka = async (brokers: string, names: readonly string[]): Promise<readonly SeenMessage[]> => {
  const kafka = new Kafka({ clientId: 'searching', brokers: brokers.split(','), logLevel: logLevel.NOTHING });
  const admin = kafka.admin();
  await admin.connect();
  /** the last offset of each partition that is still to be read */
  const ahead = new Map<string, bigint>();
  for (const name of names) {
    for (const { partition, high, low } of await admin.fetchTopicOffsets(name)) if (BigInt(high) > BigInt(low)) ahead.set(`${name}/${partition}`, BigInt(high) - 1n);
  }
  await admin.disconnect();
  if (ahead.size === 0) return [];
  const consumer = kafka.consumer({ groupId: `searching-${randomUUID()}`, maxWaitTimeInMs: 50 });
  const seen: SeenMessage[] = [];
  await consumer.connect();
  await consumer.subscribe({ topics: [...names], fromBeginning: true });
  await new Promise<void>((resolve) => {
    void consumer.run({
      autoCommit: false,
      eachMessage: ({ topic, partition, message }) => {
        seen.push({ topic, said: [message.key, message.value, ...Object.values(message.headers ?? {})].map((part) => String(part ?? '')).join(' ') });
        const last = ahead.get(`${topic}/${partition}`);
        if (last !== undefined && BigInt(message.offset) >= last) ahead.delete(`${topic}/${partition}`);
        if (ahead.size === 0) resolve();
        return Promise.resolve();
      },
    });
  });
  await consumer.disconnect();
  return seen;
};
