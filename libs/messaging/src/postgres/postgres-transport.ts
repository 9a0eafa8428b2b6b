import type { Topic } from '@exequatur/contracts';
import pg from 'pg';
import { reasonOf, silentLogger } from '../logger.js';
import type { MessagingLogger } from '../logger.js';
import type { Publisher, SubscribeOptions, Subscription, Transport } from '../port.js';
import { PostgresPublisher } from './postgres-publisher.js';
import { PostgresSubscription } from './postgres-subscription.js';

export interface PostgresTransportOptions {
  /** Connection of the service's own role; row-level security lets it write its own topics only. */
  readonly connectionString: string;
  /** Named in `application_name` and leases. */
  readonly service: string;
  readonly clientId?: string;
  /** Longest wait when a notification was missed. */
  readonly pollMs?: number;
  /** After this long without renewal another member of the group takes over. */
  readonly leaseMs?: number;
  /** Messages of one partition handed over at once. */
  readonly maxBatch?: number;
  /** Connections for fetching, acknowledging and publishing; each subscription has one more to listen. */
  readonly maxConnections?: number;
  readonly logger?: MessagingLogger;
}

export const POSTGRES_TRANSPORT_DEFAULTS = { pollMs: 1_000, leaseMs: 5_000, maxBatch: 100, maxConnections: 3 } as const;

/** The embedded default: topics as tables of schema `bus` (see busDdl). It has connections of its own, so that handlers that use up the service's pool cannot make it lose its leases. */
class PostgresTransport implements Transport {
  readonly publisher: Publisher;
  private readonly pool: pg.Pool;
  private readonly connection: pg.ClientConfig;
  private readonly logger: MessagingLogger;
  private readonly subscriptions = new Set<Subscription>();

  constructor(private readonly options: PostgresTransportOptions) {
    this.logger = options.logger ?? silentLogger;
    // Not waiting for the disk loses nothing: topics are in the log of the database that holds the events, so after a crash a
    // message is there, or the cursor behind it is not; and an offset that is lost is delivered again.
    this.connection = { connectionString: options.connectionString, application_name: `${options.clientId ?? options.service} bus`, keepAlive: true, options: '-c synchronous_commit=off' };
    this.pool = new pg.Pool({ ...this.connection, max: options.maxConnections ?? POSTGRES_TRANSPORT_DEFAULTS.maxConnections, connectionTimeoutMillis: 10_000, statement_timeout: 30_000, query_timeout: 35_000 });
    // Without a listener, an idle connection that the server ends would end this process.
    this.pool.on('error', (error) => this.logger.warn('bus connection lost', { reason: reasonOf(error) }));
    this.publisher = new PostgresPublisher(this.pool);
  }

  async subscribe(options: SubscribeOptions): Promise<Subscription> {
    const { pollMs, leaseMs, maxBatch } = { ...POSTGRES_TRANSPORT_DEFAULTS, ...this.options };
    await this.assertTopics(options.topics);
    const clientId = this.options.clientId ?? this.options.service;
    const subscription = new PostgresSubscription({ ...options, pool: this.pool, listen: this.connection, clientId, pollMs, leaseMs, maxBatch, logger: this.logger });
    await subscription.start();
    this.subscriptions.add(subscription);
    return subscription;
  }

  /** Topics come with busDdl, run by the administrator; a service's role may not make them. @throws naming those missing or unlike */
  async ensureTopics(topics: readonly Topic[]): Promise<void> {
    await this.assertTopics(topics.map(({ name }) => name));
    const { rows } = await this.pool.query<{ name: string; partitions: number }>('SELECT name, partitions FROM bus.topic WHERE name = ANY ($1)', [topics.map(({ name }) => name)]);
    const actual = new Map(rows.map(({ name, partitions }) => [name, partitions]));
    const unlike = topics.find(({ name, partitions }) => actual.get(name) !== partitions);
    if (unlike !== undefined) throw new Error(`topic ${unlike.name} has not ${unlike.partitions} partitions; they are fixed, since a change re-keys streams`);
  }

  forgetTaken(): Promise<void> {
    return Promise.resolve();
  }

  async close(): Promise<void> {
    await Promise.all([...this.subscriptions].map((subscription) => subscription.stop()));
    await this.pool.end();
  }

  private async assertTopics(names: readonly string[]): Promise<void> {
    const { rows } = await this.pool.query<{ name: string }>('SELECT name FROM unnest($1::text[]) AS name WHERE NOT EXISTS (SELECT 1 FROM bus.topic t WHERE t.name = name.name)', [names]);
    if (rows.length > 0) throw new Error(`topics missing from the bus: ${rows.map(({ name }) => name).join(', ')}`);
  }
}

export const postgresTransport = (options: PostgresTransportOptions): Transport => new PostgresTransport(options);
