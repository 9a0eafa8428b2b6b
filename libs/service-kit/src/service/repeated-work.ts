/**
 * Work that is done again and again while a service runs: one turn at a time, the next one a rest after the end of the last, or
 * at once when something woke it. A failure is told and tried again.
 */
export class RepeatedWork {
  private isStopped = false;
  private isWoken = false;
  private endRest: (() => void) | undefined;
  private ended: Promise<void> = Promise.resolve();

  /** @param told each turn: the fault, or undefined when the turn went well */
  constructor(
    private readonly restMs: number,
    private readonly work: () => Promise<void>,
    private readonly told: (fault: unknown) => void,
  ) {}

  /** The first turn begins now. */
  start(): void {
    this.ended = this.repeat();
  }

  /** The first turn begins after a rest. */
  startRested(): void {
    this.ended = this.rest().then(() => this.repeat());
  }

  wake(): void {
    this.isWoken = true;
    this.endRest?.();
  }

  /** Resolves when the turn under way has ended. */
  async stop(): Promise<void> {
    this.isStopped = true;
    this.endRest?.();
    await this.ended;
  }

  private async repeat(): Promise<void> {
    while (!this.isStopped) {
      this.isWoken = false;
      await this.work().then(
        () => this.told(undefined),
        (fault: unknown) => this.told(fault),
      );
      if (!this.isStopped && !this.isWoken) await this.rest();
    }
  }

  private rest(): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.endRest = undefined;
        resolve();
      };
      const timer = setTimeout(end, this.restMs);
      timer.unref();
      this.endRest = end;
    });
  }
}
