import type { Topic } from '@exequatur/contracts';

export interface OutgoingMessage {
  /** Messages of one key keep their order. */
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export interface IncomingMessage extends OutgoingMessage {
  readonly topic: string;
  readonly partition: number;
  /** Decimal text, rising within a partition. */
  readonly offset: string;
}

export interface Publisher {
  /** One awaited batch; resolves when the transport has made it durable. Rejects without having lost order. */
  publish(topic: string, messages: readonly OutgoingMessage[]): Promise<void>;
}

export interface SubscribeOptions {
  /** One group sees each message at least once; members share partitions. */
  readonly group: string;
  readonly topics: readonly string[];
  /**
   * Messages of one partition, in order. Resolving acknowledges them all; rejecting makes the transport pause that partition
   * and deliver from the first unacknowledged message again, for ever, with bounded back-off (a failing dependency).
   */
  readonly onBatch: (messages: readonly IncomingMessage[]) => Promise<void>;
  /**
   * Shortest time between two fetches of a topic, where the transport asks for messages one by one otherwise (PostgreSQL). The
   * first message after a pause is not delayed; under load, batches grow instead of their number. 15 ms when left out.
   */
  readonly fetchSpacingMs?: number;
}

export interface Subscription {
  stop(): Promise<void>;
  /** For /readyz and metrics: ms since the last successful fetch, messages behind, and whether a partition is paused by failures. */
  health(): { readonly sinceFetchMs: number; readonly lag: number; readonly failing: boolean };
}

export interface Transport {
  readonly publisher: Publisher;
  subscribe(options: SubscribeOptions): Promise<Subscription>;
  /** Creates what is missing; explicit partitions; never alters what exists. */
  ensureTopics(topics: readonly Topic[]): Promise<void>;
  /**
   * Forgets what `group` has taken from a topic, and where no group is named all it holds: for topics whose messages stand in
   * clear, when a person is erased. Where single messages can be emptied (PostgreSQL, `bus.empty_taken`), that is done instead,
   * in the transaction that asks for it, and this does nothing.
   */
  forgetTaken(topic: string, group?: string): Promise<void>;
  close(): Promise<void>;
}
