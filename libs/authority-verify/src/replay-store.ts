/**
 * Remembers which authorizations were used. A port: one tool behind several processes needs one store that all of them
 * share, since each in-memory store accepts a token once.
 */
export interface ReplayStore {
  /**
   * Takes the authorization of a reservation, once, atomically.
   * @param reservationId unique among all tenants (UUID)
   * @param forgetAtMs Unix ms after which no token of this reservation can pass, so that the entry may go
   * @returns true for the first caller, false for every other
   * @throws anything when it cannot tell; the call is then refused with REPLAY_UNAVAILABLE
   */
  claim(reservationId: string, forgetAtMs: number): boolean | Promise<boolean>;
}

/** The store is full of authorizations that could still be replayed; forgetting one would let it pass twice. */
export class ReplayStoreFull extends Error {
  override readonly name = 'ReplayStoreFull';
}

const SECOND_MS = 1_000;

/** For one process. Entries go in whole seconds once their token cannot pass any more; at `capacity` living ones it refuses. */
export class InMemoryReplayStore implements ReplayStore {
  private readonly used = new Set<string>();
  private readonly bySecond = new Map<number, string[]>();
  private sweptTo = -Infinity;

  constructor(
    readonly capacity = 100_000,
    private readonly now: () => number = () => Date.now(),
  ) {}

  get size(): number {
    return this.used.size;
  }

  /** @throws ReplayStoreFull */
  claim(reservationId: string, forgetAtMs: number): boolean {
    this.sweep();
    if (this.used.has(reservationId)) return false;
    if (this.used.size >= this.capacity) throw new ReplayStoreFull(`${this.capacity} authorizations are in use`);
    this.used.add(reservationId);
    const second = Math.ceil(forgetAtMs / SECOND_MS);
    const others = this.bySecond.get(second);
    if (others === undefined) this.bySecond.set(second, [reservationId]);
    else others.push(reservationId);
    return true;
  }

  /** At most once a second, whatever the rate of calls. */
  private sweep(): void {
    const second = Math.floor(this.now() / SECOND_MS);
    if (second === this.sweptTo) return;
    this.sweptTo = second;
    for (const [due, ids] of this.bySecond) {
      if (due >= second) continue;
      for (const id of ids) this.used.delete(id);
      this.bySecond.delete(due);
    }
  }
}
