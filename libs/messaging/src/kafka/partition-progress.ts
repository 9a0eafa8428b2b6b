/** How one subscription stands on the partitions it has been assigned, for health, lag and back-off. */
interface Progress {
  /** First offset not yet acknowledged; undefined before the first batch. */
  next: bigint | undefined;
  /** Offset after the last message, when last seen. */
  end: bigint;
  failures: number;
  pause: { readonly timer: NodeJS.Timeout; readonly resume: () => void } | undefined;
}

export class PartitionProgress {
  private readonly partitions = new Map<string, Progress>();

  /**
   * A new assignment: what went elsewhere is forgotten, its failures too. Its pause ends at once, since the consumer would
   * remember it if the partition came back.
   */
  assign(assignment: Readonly<Record<string, readonly number[]>>): void {
    const assigned = new Set(Object.entries(assignment).flatMap(([topic, partitions]) => partitions.map((partition) => nameOf(topic, partition))));
    for (const [name, progress] of this.partitions) {
      if (assigned.has(name)) continue;
      clearTimeout(progress.pause?.timer);
      progress.pause?.resume();
      this.partitions.delete(name);
    }
    for (const name of assigned) if (!this.partitions.has(name)) this.partitions.set(name, fresh());
  }

  seen(topic: string, partition: number, end: string): void {
    this.of(topic, partition).end = BigInt(end);
  }

  /** For partitions without a batch so far: the group's committed offset, and -1 where there is none. */
  committed(topic: string, partition: number, offset: string, low: string): void {
    const progress = this.partitions.get(nameOf(topic, partition));
    if (progress === undefined || progress.next !== undefined) return;
    progress.next = offset === '-1' ? BigInt(low) : BigInt(offset);
  }

  ended(topic: string, partition: number, end: string): void {
    const progress = this.partitions.get(nameOf(topic, partition));
    if (progress !== undefined) progress.end = BigInt(end);
  }

  acknowledged(topic: string, partition: number, lastOffset: string): void {
    const progress = this.of(topic, partition);
    progress.next = BigInt(lastOffset) + 1n;
    progress.failures = 0;
  }

  /** @returns failures in a row of this partition */
  failed(topic: string, partition: number, firstOffset: string): number {
    const progress = this.of(topic, partition);
    progress.next = BigInt(firstOffset);
    progress.failures += 1;
    return progress.failures;
  }

  resumeAfter(topic: string, partition: number, ms: number, resume: () => void): void {
    const progress = this.of(topic, partition);
    clearTimeout(progress.pause?.timer);
    const timer = setTimeout(() => {
      progress.pause = undefined;
      resume();
    }, ms);
    progress.pause = { timer, resume };
  }

  clear(): void {
    this.assign({});
  }

  get isEmpty(): boolean {
    return this.partitions.size === 0;
  }

  health(): { lag: number; failing: boolean } {
    const all = [...this.partitions.values()];
    const lag = all.reduce((sum, { next, end }) => sum + (next === undefined || end < next ? 0 : Number(end - next)), 0);
    return { lag, failing: all.some(({ failures }) => failures > 0) };
  }

  /** A batch may outlive its assignment; what it then reports goes nowhere. */
  private of(topic: string, partition: number): Progress {
    return this.partitions.get(nameOf(topic, partition)) ?? fresh();
  }
}

const nameOf = (topic: string, partition: number): string => `${topic}/${partition}`;
const fresh = (): Progress => ({ next: undefined, end: 0n, failures: 0, pause: undefined });
