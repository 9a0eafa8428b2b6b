import { Inject, Injectable } from '@nestjs/common';
import type { BeforeApplicationShutdown, OnApplicationBootstrap } from '@nestjs/common';
import { EVENT_TOPICS } from '@exequatur/contracts';
import type { IncomingMessage, Subscription, Transport } from '@exequatur/messaging';
import { Health, ServiceMetrics, TRANSPORT } from '@exequatur/service-kit';
import { AUDIT_LIMITS } from '../limits.js';
import { AppendLeaves } from './append-leaves.js';

/** Beside the group `audit`, which keeps the directory. */
const GROUP = 'audit.log';
const SILENT_MS = 15_000;

/** The raw bytes of every event topic, into the log. Not through the event strategy: that would judge what it delivers. */
@Injectable()
export class LogSubscription implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private subscription: Subscription | undefined;
  private readonly waiting: Waiting[] = [];
  private writing = false;

  constructor(
    private readonly leaves: AppendLeaves,
    private readonly health: Health,
    private readonly metrics: ServiceMetrics,
    @Inject(TRANSPORT) private readonly transport: Transport,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const subscription = await this.transport.subscribe({ group: GROUP, topics: Object.values(EVENT_TOPICS).map(({ name }) => name), onBatch: (messages) => this.take(messages), fetchSpacingMs: AUDIT_LIMITS.fetchSpacingMs });
    this.subscription = subscription;
    this.health.add({ name: 'log', check: () => Promise.resolve(complaint(subscription)) });
    this.metrics.gauge('exequatur_audit_log_lag_messages', 'Messages that are not in the log yet.', () => subscription.health().lag);
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.subscription?.stop();
  }

  /** Partitions' batches that come while one is written are written together: a log has one writer, they would only wait for each other. */
  private take(messages: readonly IncomingMessage[]): Promise<void> {
    return new Promise((written, failed) => {
      this.waiting.push({ messages, written, failed });
      if (!this.writing) void this.write();
    });
  }

  private async write(): Promise<void> {
    this.writing = true;
    // A fetch hands over its partitions one right after the other.
    await Promise.resolve();
    while (this.waiting.length > 0) {
      const together = this.waiting.splice(0);
      try {
        await this.leaves.append(together.flatMap(({ messages }) => messages));
        for (const { written } of together) written();
      } catch (error) {
        for (const { failed } of together) failed(error);
      }
    }
    this.writing = false;
  }
}

interface Waiting {
  readonly messages: readonly IncomingMessage[];
  readonly written: () => void;
  readonly failed: (error: unknown) => void;
}

const complaint = (subscription: Subscription): string | undefined => {
  const { failing, sinceFetchMs } = subscription.health();
  if (failing) return 'messages cannot be written and are tried again';
  return sinceFetchMs > SILENT_MS ? `nothing fetched for ${Math.round(sinceFetchMs / 1_000)} s` : undefined;
};
