import type { Kafka, Producer } from 'kafkajs';
import { partitionOf } from '../partition.js';
import type { OutgoingMessage, Publisher } from '../port.js';

/** One request holds at most this much: brokers bound the batch of a partition, not the single message. */
export const MAX_REQUEST_BYTES = 512 * 1_024;
export const MAX_REQUEST_MESSAGES = 500;

const sizeOf = ({ key, value, headers }: OutgoingMessage): number =>
  value.length + Buffer.byteLength(key) + Object.entries(headers).reduce((sum, [name, text]) => sum + name.length + Buffer.byteLength(text) + 10, 30);

/** Consecutive slices within both bounds; a message that is larger alone goes alone. */
export const slices = (messages: readonly OutgoingMessage[]): readonly (readonly OutgoingMessage[])[] => {
  const result: OutgoingMessage[][] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = sizeOf(message);
    const last = result.at(-1);
    if (last === undefined || last.length >= MAX_REQUEST_MESSAGES || bytes + size > MAX_REQUEST_BYTES) {
      result.push([message]);
      bytes = size;
    } else {
      last.push(message);
      bytes += size;
    }
  }
  return result;
};

/**
 * acks -1, one request in flight, each awaited: sends side by side lose their order across an outage, with kafkajs's
 * idempotent producer too. When it rejects, part of the messages may be written; publishing all of them again keeps the
 * order of first appearances, and consumers drop the repetition.
 */
export class KafkaPublisher implements Publisher {
  private producer: Producer | undefined;
  private turn: Promise<void> = Promise.resolve();
  /** Partitions of the request in flight. */
  private readonly addressed = new Set<number>();

  constructor(private readonly kafka: Kafka) {}

  publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    const published = this.turn.then(() => this.publishNow(topic, messages));
    this.turn = published.catch(() => undefined);
    return published;
  }

  async close(): Promise<void> {
    await this.turn;
    await this.producer?.disconnect();
    this.producer = undefined;
  }

  private async publishNow(topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    const producer = await this.connected();
    for (const slice of slices(messages)) await this.send(producer, topic, slice);
  }

  private async send(producer: Producer, topic: string, messages: readonly OutgoingMessage[]): Promise<void> {
    this.addressed.clear();
    const written = await producer.send({ topic, acks: -1, timeout: 30_000, messages: messages.map(({ key, value, headers }) => ({ key, value, headers: { ...headers } })) });
    // When a leader moves during kafkajs's own retries, it can take the new leader's earlier answer for these partitions too.
    const answered = new Set(written.map(({ partition }) => partition));
    if ([...this.addressed].some((partition) => !answered.has(partition))) throw new Error(`topic ${topic}: not every partition acknowledged its messages`);
  }

  private async connected(): Promise<Producer> {
    if (this.producer !== undefined) return this.producer;
    const producer = this.kafka.producer({
      allowAutoTopicCreation: false,
      idempotent: false,
      maxInFlightRequests: 1,
      createPartitioner: () => ({ message, partitionMetadata }) => {
        const partition = partitionOf(String(message.key ?? ''), partitionMetadata.length);
        this.addressed.add(partition);
        return partition;
      },
    });
    await producer.connect();
    this.producer = producer;
    return producer;
  }
}
