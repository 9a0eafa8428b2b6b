type Waiter = { readonly exclusive: boolean; readonly wake: () => void };
type Lock = { shared: number; exclusive: boolean; readonly queue: Waiter[] };

/** Named locks within one process, shared or exclusive, first come first served: the in-memory twin of advisory locks. */
export class KeyedLocks {
  private readonly locks = new Map<bigint, Lock>();

  /** Resolves when the lock is had; call the result once to give it back. */
  async acquire(key: bigint, exclusive: boolean): Promise<() => void> {
    const lock = this.locks.get(key) ?? { shared: 0, exclusive: false, queue: [] };
    this.locks.set(key, lock);
    await new Promise<void>((wake) => {
      lock.queue.push({ exclusive, wake });
      this.admit(key, lock);
    });
    return () => {
      if (exclusive) lock.exclusive = false;
      else lock.shared -= 1;
      this.admit(key, lock);
    };
  }

  private admit(key: bigint, lock: Lock): void {
    for (let next = lock.queue[0]; next !== undefined; next = lock.queue[0]) {
      if (lock.exclusive || (next.exclusive && lock.shared > 0)) return;
      lock.queue.shift();
      if (next.exclusive) lock.exclusive = true;
      else lock.shared += 1;
      next.wake();
    }
    if (!lock.exclusive && lock.shared === 0) this.locks.delete(key);
  }
}
