import type { Topic } from '@exequatur/contracts';
import type { Kafka } from 'kafkajs';
import { silentLogger } from '../logger.js';
import type { MessagingLogger } from '../logger.js';
import type { Publisher, SubscribeOptions, Subscription, Transport } from '../port.js';
import { kafkaClient } from './kafka-client.js';
import type { KafkaTransportOptions } from './kafka-client.js';
import { forgetTaken } from './forget-taken.js';
import { KafkaPublisher } from './kafka-publisher.js';
import { KafkaSubscription } from './kafka-subscription.js';
import { ensureKafkaTopics } from './kafka-topics.js';

export type { KafkaTransportOptions } from './kafka-client.js';

export const KAFKA_TRANSPORT_DEFAULTS = { sessionTimeoutMs: 10_000, replicationFactor: -1 } as const;

/** Kafka through kafkajs 2.2.4, brokers 4.1 or newer. Whatever brokers do, it comes back by itself. */
class KafkaTransport implements Transport {
  readonly publisher: Publisher;
  private readonly kafka: Kafka;
  private readonly logger: MessagingLogger;
  private readonly ownPublisher: KafkaPublisher;
  private readonly subscriptions = new Set<Subscription>();

  constructor(private readonly options: KafkaTransportOptions) {
    this.logger = options.logger ?? silentLogger;
    this.kafka = kafkaClient(options, this.logger);
    this.publisher = this.ownPublisher = new KafkaPublisher(this.kafka);
  }

  /** Resolves at once; where brokers are away, the subscription starts when they are back, and its health says so. */
  subscribe(options: SubscribeOptions): Promise<Subscription> {
    const { sessionTimeoutMs } = { ...KAFKA_TRANSPORT_DEFAULTS, ...this.options };
    const subscription = new KafkaSubscription({ ...options, kafka: this.kafka, logger: this.logger, sessionTimeoutMs });
    subscription.start();
    this.subscriptions.add(subscription);
    return Promise.resolve(subscription);
  }

  ensureTopics(topics: readonly Topic[]): Promise<void> {
    return ensureKafkaTopics(this.kafka, topics, this.options.replicationFactor ?? KAFKA_TRANSPORT_DEFAULTS.replicationFactor);
  }

  forgetTaken(topic: string, group?: string): Promise<void> {
    return forgetTaken(this.kafka, topic, group);
  }

  async close(): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.stop()));
    await this.ownPublisher.close();
  }
}

export const kafkaTransport = (options: KafkaTransportOptions): Transport => new KafkaTransport(options);
