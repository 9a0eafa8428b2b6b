/** Least recently used entries go first; entries older than their time are not given out. */
export class BoundedCache<V> {
  private readonly entries = new Map<string, { readonly value: V; readonly addedMs: number }>();

  /**
   * @param maxEntries how many are kept
   * @param maxAgeMs how long an entry counts, whatever its use
   * @param monotonic milliseconds that never go back
   */
  constructor(
    private readonly maxEntries: number,
    private readonly maxAgeMs: number,
    private readonly monotonic: () => number,
  ) {}

  get(name: string): V | undefined {
    const entry = this.entries.get(name);
    if (entry === undefined) return undefined;
    this.entries.delete(name);
    if (this.monotonic() - entry.addedMs > this.maxAgeMs) return undefined;
    this.entries.set(name, entry);
    return entry.value;
  }

  set(name: string, value: V): void {
    this.entries.delete(name);
    this.entries.set(name, { value, addedMs: this.monotonic() });
    for (const oldest of this.entries.keys()) {
      if (this.entries.size <= this.maxEntries) break;
      this.entries.delete(oldest);
    }
  }

  delete(name: string): void {
    this.entries.delete(name);
  }
}
