import { Problem } from '../problem/problem.js';
import { faultKind } from '../database/pg-fault.js';

export interface BatcherOptions<C, R> {
  /** For metrics and messages. */
  readonly name: string;
  /** Tenants take turns: a batch is filled one command a tenant, round and round. */
  readonly tenantOf: (command: C) => string;
  /**
   * One transaction for all: lock, decide each in the given order, write, commit. One result a command, in order; a business
   * "no" is a result. A throw means that nothing was written (or, for a lost connection, that nobody knows).
   */
  readonly run: (commands: readonly C[]) => Promise<readonly R[]>;
  /** Commands in one transaction; 64 was where measuring found the end of the gain. */
  readonly maxBatch?: number;
  /**
   * Transactions in flight at once, 1 unless said: more only where `run` can go on what a batch before it has not committed yet.
   * A further one takes off with a full batch; smaller ones gain more by growing than by leaving early.
   */
  readonly maxFlights?: number;
  /** Commands waiting; one more is refused as BUSY. */
  readonly maxQueue?: number;
  /** Called after each transaction that committed, with its number of commands. */
  readonly onBatch?: (size: number) => void;
}

const MAX_BATCH = 64;
const MAX_QUEUE = 4_096;
/** Runs of one batch whose COMMIT may have been lost, before its commands are answered DEPENDENCY_DOWN. */
const MAX_LOST_RUNS = 3;
/** Runs of a single command that keeps waiting for locks or in deadlocks. */
const MAX_WAITS = 3;

interface Waiting<C, R> {
  readonly command: C;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
  waits: number;
}

/**
 * Group commit (architecture.md, "The database is the arbiter" 5): commands that arrive while a transaction is in flight
 * join the next one. One batch is in flight at a time, unless `maxFlights` says otherwise.
 *
 * When `run` throws, what happens next depends on why:
 * - lock timeout or deadlock: the batch is split in halves that run on their own, so everything but the command that waits
 *   goes on; that one runs again alone, between later batches, and is then answered BUSY;
 * - connection lost, perhaps during COMMIT: the same batch runs again, through its idempotency rows; then DEPENDENCY_DOWN;
 * - anything else is deterministic: halves again, until the command at fault stands alone and gets its error.
 */
export class Batcher<C, R> {
  private readonly queues = new Map<string, Waiting<C, R>[]>();
  /** Commands that waited for locks; each runs again alone, so that it holds nobody else up. */
  private readonly waiters: Waiting<C, R>[] = [];
  private waiting = 0;
  private readonly flights = new Map<object, Promise<void>>();
  private closed = false;

  constructor(private readonly options: BatcherOptions<C, R>) {}

  /** Commands that wait for the next transaction. */
  get depth(): number {
    return this.waiting + this.waiters.length;
  }

  /** @throws Problem BUSY when the queue is full, DEPENDENCY_DOWN, or what `run` threw for this command */
  submit(command: C): Promise<R> {
    if (this.closed) return Promise.reject(new Problem('DEPENDENCY_DOWN', 'shutting down', undefined, 1));
    if (this.depth >= (this.options.maxQueue ?? MAX_QUEUE)) return Promise.reject(new Problem('BUSY', undefined, undefined, 1));
    return new Promise<R>((resolve, reject) => {
      this.enqueue({ command, resolve, reject, waits: 0 });
      if (this.mayFly(this.flights.size)) this.takeOff();
    });
  }

  /** Takes no more, and resolves when everything taken is answered. */
  async close(): Promise<void> {
    this.closed = true;
    await Promise.all(this.flights.values());
  }

  private mayFly(others: number): boolean {
    return others === 0 || (others < (this.options.maxFlights ?? 1) && this.waiting >= (this.options.maxBatch ?? MAX_BATCH));
  }

  private takeOff(): void {
    const flight = {};
    this.flights.set(flight, this.fly(flight));
  }

  private enqueue(entry: Waiting<C, R>): void {
    const tenant = this.options.tenantOf(entry.command);
    const queue = this.queues.get(tenant);
    if (queue === undefined) this.queues.set(tenant, [entry]);
    else queue.push(entry);
    this.waiting += 1;
  }

  private async fly(flight: object): Promise<void> {
    // Arrivals of the same turn of the event loop share the first transaction.
    await Promise.resolve();
    while (this.depth > 0 && this.mayFly(this.flights.size - 1)) {
      await this.settle(this.nextBatch(), 0);
      const waiter = this.waiters.shift();
      if (waiter !== undefined) await this.settle([waiter], 0);
    }
    // In the turn in which it saw that nothing waits for it: whoever comes later takes off anew.
    this.flights.delete(flight);
  }

  /** Round robin over tenants; a tenant that was served goes to the end of the line. */
  private nextBatch(): Waiting<C, R>[] {
    const batch: Waiting<C, R>[] = [];
    while (batch.length < (this.options.maxBatch ?? MAX_BATCH) && this.waiting > 0) {
      for (const [tenant, queue] of [...this.queues]) {
        if (batch.length >= (this.options.maxBatch ?? MAX_BATCH)) break;
        const entry = queue.shift();
        this.queues.delete(tenant);
        if (queue.length > 0) this.queues.set(tenant, queue);
        if (entry === undefined) continue;
        batch.push(entry);
        this.waiting -= 1;
      }
    }
    return batch;
  }

  /** Runs the batch until each of its commands is answered or waits again. Never rejects. */
  private async settle(batch: readonly Waiting<C, R>[], lostRuns: number): Promise<void> {
    if (batch.length === 0) return;
    let results: readonly R[];
    try {
      results = await this.options.run(batch.map(({ command }) => command));
      if (results.length !== batch.length) throw new Error(`batch ${this.options.name} gave ${results.length} results for ${batch.length} commands`);
    } catch (error) {
      return this.recover(batch, error, lostRuns);
    }
    this.options.onBatch?.(batch.length);
    batch.forEach((entry, index) => entry.resolve(results[index] as R));
  }

  private async recover(batch: readonly Waiting<C, R>[], error: unknown, lostRuns: number): Promise<void> {
    const kind = faultKind(error);
    if (kind === 'unavailable') {
      if (lostRuns + 1 < MAX_LOST_RUNS) return this.settle(batch, lostRuns + 1);
      for (const { reject } of batch) reject(new Problem('DEPENDENCY_DOWN', undefined, undefined, 1));
      return undefined;
    }
    if (batch.length > 1) {
      const middle = batch.length >> 1;
      await this.settle(batch.slice(0, middle), lostRuns);
      return this.settle(batch.slice(middle), lostRuns);
    }
    const [alone] = batch;
    if (alone === undefined) return undefined;
    if (kind !== 'waited') return alone.reject(error);
    alone.waits += 1;
    if (alone.waits < MAX_WAITS) this.waiters.push(alone);
    else alone.reject(new Problem('BUSY', 'what this changes is locked', undefined, 1));
    return undefined;
  }
}
