import type { Kafka } from 'kafkajs';

/**
 * Deletes the records of a topic in front of a group's committed offset, or all. From then on no consumer can read them; the
 * broker's file goes with its segment, which the topic's `segment.ms` bounds. What the group has not taken stays.
 */
export const forgetTaken = async (kafka: Kafka, topic: string, group?: string): Promise<void> => {
  const admin = kafka.admin();
  try {
    await admin.connect();
    const held = await admin.fetchTopicOffsets(topic);
    const upTo = group === undefined ? held.map(({ partition, high }) => ({ partition, offset: high })) : await committed(admin, topic, group);
    const low = new Map(held.map((partition) => [partition.partition, BigInt(partition.low)]));
    const partitions = upTo.filter(({ partition, offset }) => BigInt(offset) > (low.get(partition) ?? 0n));
    if (partitions.length > 0) await admin.deleteTopicRecords({ topic, partitions });
  } finally {
    await admin.disconnect();
  }
};

/** -1 where the group has taken nothing. */
const committed = async (admin: ReturnType<Kafka['admin']>, topic: string, group: string): Promise<{ partition: number; offset: string }[]> =>
  (await admin.fetchOffsets({ groupId: group, topics: [topic] })).flatMap(({ partitions }) => partitions.map(({ partition, offset }) => ({ partition, offset })));
