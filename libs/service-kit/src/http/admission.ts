import { Problem, problem } from '../problem/problem.js';
import { HTTP_LIMITS } from './limits.js';
import type { HttpRequest } from './http-request.js';

const RETRY_AFTER_SECONDS = 1;

/** How many requests are handled at a time; what is over the bound is refused at once, which costs next to nothing. */
export class Admission {
  private active = 0;
  private polling = 0;
  private closing = false;
  private drained: (() => void) | undefined;
  private readonly polls = new WeakSet<HttpRequest>();
  private readonly abort = new AbortController();

  constructor(private readonly maxConcurrent: number) {}

  /** Ends when the service shuts down: whoever waits for an event answers with what there is then. */
  get shutdown(): AbortSignal {
    return this.abort.signal;
  }

  /** Requests under way, long polls included. */
  get inFlight(): number {
    return this.active + this.polling;
  }

  /** @throws Problem DEPENDENCY_DOWN while shutting down, BUSY */
  enter(): void {
    if (this.closing) throw new Problem('DEPENDENCY_DOWN', 'shutting down', undefined, RETRY_AFTER_SECONDS);
    if (this.active >= this.maxConcurrent) throw new Problem('BUSY', undefined, undefined, RETRY_AFTER_SECONDS);
    this.active += 1;
  }

  leave(request: HttpRequest): void {
    if (this.polls.delete(request)) this.polling -= 1;
    else this.active -= 1;
    if (this.inFlight === 0) this.drained?.();
  }

  /** The request only waits from here on: it gives its place back and counts as a long poll. @throws Problem BUSY */
  beginLongPoll(request: HttpRequest): void {
    if (this.polls.has(request)) return;
    if (this.polling >= HTTP_LIMITS.longPolls) problem('BUSY', 'too many requests wait');
    this.polls.add(request);
    this.polling += 1;
    this.active -= 1;
  }

  /** Takes no more, wakes long polls, and resolves when all requests are answered or `withinMs` is over. */
  async drain(withinMs: number): Promise<void> {
    this.closing = true;
    this.abort.abort();
    if (this.inFlight === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      new Promise<void>((resolve) => {
        this.drained = resolve;
      }),
      new Promise<void>((resolve) => {
        timer = setTimeout(resolve, withinMs);
      }),
    ]);
    clearTimeout(timer);
  }
}
