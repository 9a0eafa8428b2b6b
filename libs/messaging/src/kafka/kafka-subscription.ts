import type { Consumer, EachBatchPayload, IHeaders, Kafka, KafkaMessage } from 'kafkajs';
import { backOffMs } from '../back-off.js';
import { reasonOf } from '../logger.js';
import type { MessagingLogger } from '../logger.js';
import type { IncomingMessage, SubscribeOptions, Subscription } from '../port.js';
import { RETRY } from './kafka-client.js';
import { LagProbe } from './lag-probe.js';
import { PartitionProgress } from './partition-progress.js';

export interface KafkaSubscriptionOptions extends SubscribeOptions {
  readonly kafka: Kafka;
  readonly logger: MessagingLogger;
  readonly sessionTimeoutMs: number;
}

/** Messages of one partition handed over at once; each hand-over is acknowledged with a commit of its own. */
const MAX_BATCH = 100;
/** Partitions worked on at the same time. */
const CONCURRENT_PARTITIONS = 8;

const headerText = (value: IHeaders[string]): string => {
  const last = Array.isArray(value) ? value.at(-1) : value;
  return last === undefined ? '' : last.toString();
};

const incoming = (topic: string, partition: number, { key, value, headers, offset }: KafkaMessage): IncomingMessage => ({
  topic,
  partition,
  offset,
  key: key?.toString('utf8') ?? '',
  value: value ?? Buffer.alloc(0),
  headers: Object.fromEntries(Object.entries(headers ?? {}).map(([name, text]) => [name, headerText(text)])),
});

/**
 * A member of a consumer group. kafkajs recovers from most outages within a consumer; when it gives up, a new consumer is
 * started here, for ever. Offsets are committed after the handler resolved, never before.
 */
export class KafkaSubscription implements Subscription {
  private readonly progress = new PartitionProgress();
  private readonly lag: LagProbe;
  private stopped = false;
  private lastFetch = performance.now();
  private running: Promise<void> = Promise.resolve();
  private interrupt: () => void = () => undefined;
  private stopping: Promise<void> | undefined;

  constructor(private readonly options: KafkaSubscriptionOptions) {
    this.lag = new LagProbe(options.kafka, options.group, options.topics, this.progress);
  }

  start(): void {
    this.running = this.run();
    this.lag.start();
  }

  /** Lets the batches in flight end, leaves the group. */
  stop(): Promise<void> {
    return (this.stopping ??= this.end());
  }

  health(): ReturnType<Subscription['health']> {
    return { sinceFetchMs: performance.now() - this.lastFetch, ...this.progress.health() };
  }

  private async end(): Promise<void> {
    this.stopped = true;
    this.interrupt();
    await this.lag.stop();
    await this.running;
    this.progress.clear();
  }

  private async run(): Promise<void> {
    let failures = 0;
    while (!this.stopped) {
      const started = performance.now();
      const reason = await this.consumeUntilCrash();
      if (this.stopped) return;
      failures = performance.now() - started > 60_000 ? 1 : failures + 1;
      this.options.logger.warn('consumer ended; a new one is started', { group: this.options.group, failures, reason });
      await this.interruptible(backOffMs(failures));
    }
  }

  /** Resolves when the consumer is beyond repair, or stopped, and disconnected. */
  private async consumeUntilCrash(): Promise<string> {
    const { group, kafka, sessionTimeoutMs } = this.options;
    const consumer = kafka.consumer({
      groupId: group,
      sessionTimeout: sessionTimeoutMs,
      heartbeatInterval: Math.min(3_000, Math.floor(sessionTimeoutMs / 5)),
      rebalanceTimeout: 60_000,
      maxWaitTimeInMs: 50,
      minBytes: 1,
      maxBytesPerPartition: 1_048_576,
      allowAutoTopicCreation: false,
      retry: { ...RETRY, restartOnFailure: () => Promise.resolve(false) },
    });
    const ended = new Promise<string>((resolve) => {
      this.interrupt = () => resolve('stopped');
      consumer.on(consumer.events.CRASH, ({ payload }) => resolve(reasonOf(payload.error)));
    });
    this.observe(consumer);
    const begun = this.begin(consumer);
    try {
      return await Promise.race([begun.then(() => ended), ended]);
    } catch (error) {
      return reasonOf(error);
    } finally {
      this.progress.clear();
      await consumer.disconnect().catch(() => undefined);
      // Stopped while brokers are away, it may still be connecting: nobody waits for that, and nothing of it stays.
      begun.then(() => consumer.disconnect()).catch(() => undefined);
    }
  }

  private async begin(consumer: Consumer): Promise<void> {
    await consumer.connect();
    await consumer.subscribe({ topics: [...this.options.topics], fromBeginning: true });
    await consumer.run({ autoCommit: false, eachBatchAutoResolve: false, partitionsConsumedConcurrently: CONCURRENT_PARTITIONS, eachBatch: (payload) => this.takeBatch(payload) });
  }

  /** A fetch that failed may end without an error too, so the answers of brokers count; a member without partitions only has heartbeats. */
  private observe(consumer: Consumer): void {
    consumer.on(consumer.events.REQUEST, ({ payload }) => {
      if (payload.apiName === 'Fetch' || (payload.apiName === 'Heartbeat' && this.progress.isEmpty)) this.lastFetch = performance.now();
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => this.progress.assign(payload.memberAssignment));
  }

  private async takeBatch(payload: EachBatchPayload): Promise<void> {
    const { topic, partition, messages, highWatermark } = payload.batch;
    this.progress.seen(topic, partition, highWatermark);
    for (let first = 0; first < messages.length && payload.isRunning() && !payload.isStale() && !this.stopped; first += MAX_BATCH) {
      const slice = messages.slice(first, first + MAX_BATCH);
      const lastOffset = slice.at(-1)?.offset ?? payload.batch.lastOffset();
      if (!(await this.handOver(payload, slice))) return;
      payload.resolveOffset(lastOffset);
      // Errors from here are kafkajs's own (a rebalance, say) and lead it to join again; the messages come again to their owner.
      await payload.commitOffsetsIfNecessary(payload.uncommittedOffsets());
      this.progress.acknowledged(topic, partition, lastOffset);
    }
  }

  /** False: the handler rejected, and the partition is paused, to be fetched again from this slice on. */
  private async handOver(payload: EachBatchPayload, slice: readonly KafkaMessage[]): Promise<boolean> {
    const { topic, partition } = payload.batch;
    const firstOffset = slice[0]?.offset ?? '0';
    const beat = setInterval(() => payload.heartbeat().catch(() => undefined), 1_000);
    try {
      await this.options.onBatch(slice.map((message) => incoming(topic, partition, message)));
      return true;
    } catch (error) {
      const failures = this.progress.failed(topic, partition, firstOffset);
      this.options.logger.warn('batch was not taken; it will be delivered again', { topic, partition, offset: firstOffset, failures, reason: reasonOf(error) });
      this.progress.resumeAfter(topic, partition, backOffMs(failures), payload.pause());
      return false;
    } finally {
      clearInterval(beat);
    }
  }

  private async interruptible(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}
