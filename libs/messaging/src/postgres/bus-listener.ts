import pg from 'pg';
import { backOffMs } from '../back-off.js';
import { reasonOf } from '../logger.js';
import type { MessagingLogger } from '../logger.js';
import { WAKE_CHANNEL } from './postgres-publisher.js';

/**
 * One connection that listens for publications and tells which topic has news. It comes back by itself after the
 * connection is lost, and then wakes every topic once, since what was said meanwhile is gone.
 */
export class BusListener {
  private client: pg.Client | undefined;
  private retry: NodeJS.Timeout | undefined;
  private failures = 0;
  private stopped = false;

  constructor(
    private readonly config: pg.ClientConfig,
    private readonly onNews: (topic: string | undefined) => void,
    private readonly logger: MessagingLogger,
  ) {}

  async start(): Promise<void> {
    const client = new pg.Client(this.config);
    const lost = (error: unknown): void => this.lost(client, error);
    client.on('error', lost);
    client.on('end', () => lost('connection ended'));
    client.on('notification', ({ payload }) => this.onNews(payload));
    this.client = client;
    try {
      await client.connect();
      await client.query(`LISTEN ${WAKE_CHANNEL}`);
      this.failures = 0;
      this.onNews(undefined);
    } catch (error) {
      lost(error);
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.retry);
    const { client } = this;
    this.client = undefined;
    await client?.end().catch(() => undefined);
  }

  private lost(client: pg.Client, error: unknown): void {
    if (this.stopped || this.client !== client) return;
    this.client = undefined;
    this.failures += 1;
    this.logger.warn('bus listener lost its connection', { reason: reasonOf(error), failures: this.failures });
    client.end().catch(() => undefined);
    this.retry = setTimeout(() => void this.start(), backOffMs(this.failures));
  }
}
