/** What a guess may lie behind the database's clock when it is checked, in ms; less where something runs out before (`sameUntil`). */
export const MAX_BEHIND_MS = 250;

/**
 * The database's clock as this process can tell without asking. Every reading is a little old when it arrives, so of all of them
 * the one that is furthest ahead is the best, and none is ahead of the truth. Whoever decides by a guess has it checked.
 */
export class DatabaseClock {
  private offsetMs: number | undefined;

  /** A reading in Unix ms that arrived just now. */
  read(nowMs: number): void {
    const offsetMs = nowMs - performance.now();
    if (this.offsetMs === undefined || offsetMs > this.offsetMs) this.offsetMs = offsetMs;
  }

  /** Unix ms, whole as every reading is; undefined before the first one. */
  guess(): number | undefined {
    return this.offsetMs === undefined ? undefined : Math.floor(performance.now() + this.offsetMs);
  }

  /** A guess was wrong: a clock was set, or one of the two runs faster. */
  forget(): void {
    this.offsetMs = undefined;
  }
}
