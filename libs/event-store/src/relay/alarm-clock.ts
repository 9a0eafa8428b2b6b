/** Sleeps that can be cut short: by a wake, which is kept when nobody sleeps, or for good. */
export class AlarmClock {
  private pending = false;
  private silenced = false;
  private ring: (() => void) | undefined;

  /** A wake came since the last sleep. */
  get rang(): boolean {
    return this.pending;
  }

  /** Resolves after `ms`, at the next wake, or at once when one came since the last sleep. */
  sleep(ms: number): Promise<void> {
    if (this.pending || this.silenced || ms <= 0) {
      this.pending = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.ring?.(), ms);
      this.ring = () => {
        clearTimeout(timer);
        this.ring = undefined;
        this.pending = false;
        resolve();
      };
    });
  }

  wake(): void {
    this.pending = true;
    this.ring?.();
  }

  /** From now on no sleep lasts. */
  silence(): void {
    this.silenced = true;
    this.wake();
  }
}
