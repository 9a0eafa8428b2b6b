import { Injectable } from '@nestjs/common';

/** Tells those who wait in this instance that an action's view changed. Others find out by looking. */
@Injectable()
export class ActionChanges {
  private readonly waiting = new Map<string, Set<() => void>>();

  changed(actionId: string): void {
    for (const wake of this.waiting.get(actionId) ?? []) wake();
  }

  /** Resolves on the next change, after `ms`, or when the signal aborts. */
  async next(actionId: string, ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const wakers = this.waiting.get(actionId) ?? new Set();
      this.waiting.set(actionId, wakers);
      const wake = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', wake);
        wakers.delete(wake);
        if (wakers.size === 0) this.waiting.delete(actionId);
        resolve();
      };
      const timer = setTimeout(wake, ms);
      signal.addEventListener('abort', wake);
      wakers.add(wake);
    });
  }
}
