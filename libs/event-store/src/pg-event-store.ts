import { streamKey } from '@exequatur/contracts';
import type { ServiceName, StreamId } from '@exequatur/contracts';
import type { SigningKey } from '@exequatur/audit-chain';
import { systemClock } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import type pg from 'pg';
import { pgArray } from './pg-array.js';
import { insertEvents, selectStream, selectVersions, sendEvents } from './event-rows.js';
import { fenceKey, lockPlan, streamLockKey } from './lock-keys.js';
import type { LockPlan } from './lock-keys.js';
import { inTransaction, tolerateConnectionLoss } from './pg-transaction.js';
import type { PgQueries, PgTransaction } from './pg-transaction.js';
import { StreamNotLocked, VersionConflict } from './port.js';
import type { EventStore, Locks, RecordedEvent, StreamWrite } from './port.js';
import { prepareAppend } from './prepare-append.js';
import type { PreparedEvent } from './prepare-append.js';
import { RestoredLog } from './restored-log.js';
import { relayWake } from './relay/relay-wake.js';

export interface PgEventStoreOptions {
  /** Connections whose search_path names the service's schema. */
  readonly pool: pg.Pool;
  readonly service: ServiceName;
  readonly signingKey: SigningKey;
  readonly clock?: Clock;
  /** How long one lock (advisory or row) is waited for before LockTimeout; the connections' own lock_timeout when left out. */
  readonly lockTimeoutMs?: number;
}

const BEGIN = { name: 'event-store-begin', text: 'BEGIN ISOLATION LEVEL READ COMMITTED' };

type Held = { readonly streams: ReadonlySet<string>; readonly appended: RecordedEvent[] };

/**
 * Fences, then streams, each set in the order of the plan: the statement takes the locks in the order of its rows. Shared by
 * those who only rely on a fence.
 */
const LOCK = `
SELECT CASE WHEN shared THEN pg_advisory_xact_lock_shared(key) ELSE pg_advisory_xact_lock(key) END
FROM unnest($1::bigint[], $2::boolean[]) AS wanted (key, shared)`;

const lockStatement = ({ fences, streams }: LockPlan): pg.QueryConfig | undefined => {
  const locks = [...fences.map(({ key, exclusive }) => ({ key, shared: !exclusive })), ...streams.map(({ key }) => ({ key, shared: false }))];
  if (locks.length === 0) return undefined;
  return { name: 'event-store-lock', text: LOCK, values: [pgArray.int8(locks.map(({ key }) => key)), locks.map(({ shared }) => shared)] };
};

/**
 * The event store of one service on PostgreSQL. `transact` sends BEGIN and all locks in one round trip, before the work can
 * draw a transaction id; READ COMMITTED, so the work's first statement sees all that was committed before the locks were had.
 */
export class PgEventStore implements EventStore<PgTransaction> {
  readonly service: ServiceName;
  private readonly pool: pg.Pool;
  private readonly signingKey: SigningKey;
  private readonly clock: Clock;
  private readonly begin: readonly pg.QueryConfig[];
  private readonly wakeRelay: () => void;
  private leader: ((events: readonly RecordedEvent[]) => void) | undefined;
  private readonly held = new WeakMap<PgTransaction, Held>();

  constructor({ pool, service, signingKey, clock = systemClock, lockTimeoutMs }: PgEventStoreOptions) {
    if (lockTimeoutMs !== undefined && (!Number.isSafeInteger(lockTimeoutMs) || lockTimeoutMs < 1)) throw new RangeError('lockTimeoutMs is a positive integer');
    this.service = service;
    tolerateConnectionLoss(pool);
    this.pool = pool;
    this.signingKey = signingKey;
    this.clock = clock;
    // Prepared statements, so that they travel in one flight with what follows.
    this.begin = lockTimeoutMs === undefined ? [BEGIN] : [BEGIN, { name: `event-store-lock-timeout-${lockTimeoutMs}`, text: `SET LOCAL lock_timeout = ${lockTimeoutMs}` }];
    this.wakeRelay = relayWake(pool, service);
  }

  /** @throws LockTimeout when a lock was not had in time; nothing was written. Do not nest: the inner one may wait for the outer. */
  transact<T>(locks: Locks, work: (tx: PgTransaction) => Promise<T>): Promise<T> {
    return this.inLockedTransaction(locks, work, { waiting: true });
  }

  /**
   * `transact` without the round trip for the locks: the work begins before they are had. Its statements run after them, so it
   * may decide on nothing but their answers.
   */
  transactAtOnce<T>(locks: Locks, work: (tx: PgTransaction) => Promise<T>): Promise<T> {
    return this.inLockedTransaction(locks, work, { waiting: false });
  }

  private async inLockedTransaction<T>(locks: Locks, work: (tx: PgTransaction) => Promise<T>, { waiting }: { readonly waiting: boolean }): Promise<T> {
    const held: Held = { streams: new Set([...locks.streams, ...(locks.fresh ?? [])].map(streamKey)), appended: [] };
    const result = await inTransaction(this.pool, [...this.begin, lockStatement(lockPlan(this.service, locks))], async (tx, opened) => {
      this.held.set(tx, held);
      if (waiting) await opened;
      return work(tx);
    });
    if (held.appended.length > 0) this.committed(held.appended);
    return result;
  }

  /** For the relay that leads in this process: it is told of each commit at once, without a way over the database. @returns what ends it */
  tellAtOnce(leader: (events: readonly RecordedEvent[]) => void): () => void {
    this.leader = leader;
    return () => {
      if (this.leader === leader) this.leader = undefined;
    };
  }

  private committed(events: readonly RecordedEvent[]): void {
    if (this.leader === undefined) this.wakeRelay();
    else this.leader(events);
  }

  /**
   * Which of these locks another transaction holds at this moment, by tenant and streamKey. After a LockTimeout a batch asks, to
   * go on without the commands that would wait again.
   */
  async busy(locks: Locks): Promise<{ readonly fences: ReadonlySet<string>; readonly streams: ReadonlySet<string> }> {
    const plan = lockPlan(this.service, locks);
    // Taken and given back within one statement.
    const text = `
      SELECT key::text FROM unnest($1::bigint[], $2::boolean[]) AS wanted (key, exclusive)
      WHERE NOT CASE WHEN exclusive THEN pg_try_advisory_xact_lock(key) ELSE pg_try_advisory_xact_lock_shared(key) END`;
    const wanted = [...plan.fences, ...plan.streams.map(({ key }) => ({ key, exclusive: true }))];
    const { rows } = await this.pool.query<{ key: string }>(text, [wanted.map(({ key }) => key.toString()), wanted.map(({ exclusive }) => exclusive)]);
    const held = new Set(rows.map(({ key }) => BigInt(key)));
    return {
      fences: new Set((locks.fences ?? []).map(({ tenant }) => tenant).filter((tenant) => held.has(fenceKey(this.service, tenant)))),
      streams: new Set(locks.streams.filter((stream) => held.has(streamLockKey(this.service, stream))).map(streamKey)),
    };
  }

  async load(tx: PgQueries, stream: StreamId): Promise<readonly RecordedEvent[]> {
    return (await this.loadAll(tx, [stream])).get(streamKey(stream)) ?? [];
  }

  /** Many streams in one statement, by streamKey; a stream without events is absent. */
  loadAll(tx: PgQueries, streams: readonly StreamId[]): Promise<ReadonlyMap<string, readonly RecordedEvent[]>> {
    return selectStream(tx, streams);
  }

  /** Current versions by streamKey, 0 for a stream without events; for those who append without needing the events. */
  versions(tx: PgQueries, streams: readonly StreamId[]): Promise<ReadonlyMap<string, number>> {
    return selectVersions(tx, streams);
  }

  /** @throws VersionConflict | StreamNotLocked | InvalidEvent | RestoredLog, each before anything is written. */
  async append(tx: PgTransaction, writes: readonly StreamWrite[]): Promise<readonly RecordedEvent[]> {
    const prepared = this.prepare(tx, writes);
    if (prepared.length === 0) return [];
    const inserted = await insertEvents(tx, writes, prepared);
    if (!inserted) throw await this.conflictIn(tx, writes);
    return prepared.map(({ recorded }) => recorded);
  }

  /** `append` for the end of a transaction, without its round trip: a stream at another version makes the commit fail. */
  send(tx: PgTransaction, writes: readonly StreamWrite[]): readonly RecordedEvent[] {
    const prepared = this.prepare(tx, writes);
    if (prepared.length > 0) sendEvents(tx, writes, prepared);
    return prepared.map(({ recorded }) => recorded);
  }

  private prepare(tx: PgTransaction, writes: readonly StreamWrite[]): readonly PreparedEvent[] {
    const held = this.held.get(tx);
    for (const { stream } of writes) {
      if (!held?.streams.has(streamKey(stream))) throw new StreamNotLocked(streamKey(stream));
    }
    const prepared = prepareAppend({ service: this.service, signingKey: this.signingKey, clock: this.clock }, writes);
    for (const { recorded } of prepared) held?.appended.push(recorded);
    return prepared;
  }

  private async conflictIn(tx: PgTransaction, writes: readonly StreamWrite[]): Promise<Error> {
    const actual = await selectVersions(tx, writes.map(({ stream }) => stream));
    for (const { stream, expectedVersion } of writes) {
      const version = actual.get(streamKey(stream)) ?? 0;
      if (version !== expectedVersion) return new VersionConflict(streamKey(stream), expectedVersion, version);
    }
    return new RestoredLog();
  }
}
