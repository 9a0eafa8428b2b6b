import type { Admin, Kafka } from 'kafkajs';
import type { PartitionProgress } from './partition-progress.js';

const EVERY_MS = 5_000;

/** Asks the brokers how far the group is behind; batches alone do not tell while a partition is paused. */
export class LagProbe {
  private admin: Admin | undefined;
  private timer: NodeJS.Timeout | undefined;
  private asking: Promise<void> | undefined;

  constructor(
    private readonly kafka: Kafka,
    private readonly group: string,
    private readonly topics: readonly string[],
    private readonly progress: PartitionProgress,
  ) {}

  start(): void {
    this.timer = setInterval(() => (this.asking ??= this.ask().finally(() => (this.asking = undefined))), EVERY_MS);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.asking;
    await this.admin?.disconnect().catch(() => undefined);
  }

  /** Lag is for people: while brokers do not answer, the last known one stands and sinceFetchMs says so. */
  private async ask(): Promise<void> {
    try {
      this.admin ??= await this.connect();
      const committed = await this.admin.fetchOffsets({ groupId: this.group, topics: [...this.topics] });
      for (const topic of this.topics) {
        for (const { partition, high, low } of await this.admin.fetchTopicOffsets(topic)) {
          const offset = committed.find((each) => each.topic === topic)?.partitions.find((each) => each.partition === partition)?.offset ?? '-1';
          this.progress.committed(topic, partition, offset, low);
          this.progress.ended(topic, partition, high);
        }
      }
    } catch {
      const { admin } = this;
      this.admin = undefined;
      await admin?.disconnect().catch(() => undefined);
    }
  }

  private async connect(): Promise<Admin> {
    const admin = this.kafka.admin();
    await admin.connect();
    return admin;
  }
}
