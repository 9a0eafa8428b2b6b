import { streamKey } from '@exequatur/contracts';
import type { ServiceName, StreamId } from '@exequatur/contracts';
import type { SigningKey } from '@exequatur/audit-chain';
import { systemClock } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { KeyedLocks } from './keyed-locks.js';
import { lockPlan } from './lock-keys.js';
import { StreamNotLocked, VersionConflict } from './port.js';
import type { EventStore, Locks, RecordedEvent, StreamWrite } from './port.js';
import { prepareAppend } from './prepare-append.js';

/** A transaction in memory: what it appended and the others do not see yet. */
export interface InMemoryTransaction {
  readonly locked: ReadonlySet<string>;
  readonly staged: Map<string, readonly RecordedEvent[]>;
}

/** The same port without a database, for specs of code above it. Nothing survives the process and nothing is relayed. */
export class InMemoryEventStore implements EventStore<InMemoryTransaction> {
  readonly service: ServiceName;
  private readonly signingKey: SigningKey;
  private readonly clock: Clock;
  private readonly locks = new KeyedLocks();
  private readonly streams = new Map<string, readonly RecordedEvent[]>();
  /** Every committed event in commit order. */
  readonly committed: RecordedEvent[] = [];

  constructor({ service, signingKey, clock = systemClock }: { service: ServiceName; signingKey: SigningKey; clock?: Clock }) {
    this.service = service;
    this.signingKey = signingKey;
    this.clock = clock;
  }

  async transact<T>(locks: Locks, work: (tx: InMemoryTransaction) => Promise<T>): Promise<T> {
    const plan = lockPlan(this.service, locks);
    const releases: (() => void)[] = [];
    for (const { key, exclusive } of plan.fences) releases.push(await this.locks.acquire(key, exclusive));
    for (const { key } of plan.streams) releases.push(await this.locks.acquire(key, true));
    try {
      const tx: InMemoryTransaction = { locked: new Set([...locks.streams, ...(locks.fresh ?? [])].map(streamKey)), staged: new Map() };
      const result = await work(tx);
      for (const [key, events] of tx.staged) {
        this.streams.set(key, [...(this.streams.get(key) ?? []), ...events]);
        this.committed.push(...events);
      }
      return result;
    } finally {
      for (const release of releases) release();
    }
  }

  load(tx: InMemoryTransaction, stream: StreamId): Promise<readonly RecordedEvent[]> {
    return Promise.resolve(this.visible(tx, streamKey(stream)));
  }

  /** A promise only for the port's sake; refusals reject, they are not thrown at the caller. */
  append(tx: InMemoryTransaction, writes: readonly StreamWrite[]): Promise<readonly RecordedEvent[]> {
    return new Promise((resolve) => resolve(this.stage(tx, writes)));
  }

  private stage(tx: InMemoryTransaction, writes: readonly StreamWrite[]): readonly RecordedEvent[] {
    for (const { stream, expectedVersion } of writes) {
      const key = streamKey(stream);
      if (!tx.locked.has(key)) throw new StreamNotLocked(key);
      const actual = this.visible(tx, key).length;
      if (actual !== expectedVersion) throw new VersionConflict(key, expectedVersion, actual);
    }
    const prepared = prepareAppend({ service: this.service, signingKey: this.signingKey, clock: this.clock }, writes);
    for (const { stream, recorded } of prepared) {
      const key = streamKey(stream);
      tx.staged.set(key, [...(tx.staged.get(key) ?? []), recorded]);
    }
    return prepared.map(({ recorded }) => recorded);
  }

  private visible(tx: InMemoryTransaction, key: string): readonly RecordedEvent[] {
    return [...(this.streams.get(key) ?? []), ...(tx.staged.get(key) ?? [])];
  }
}
