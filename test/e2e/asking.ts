import { randomUUID } from 'node:crypto';
import { askAgain, PATIENCE_MS } from '@exequatur/testing';

export interface Answer<T = Record<string, unknown>> {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: string;
  readonly body: T;
}

/** Plain HTTP, as a client that knows the reference alone would speak it: asked again, with its key, while the answer is "later". */
export type Ask = <T = Record<string, unknown>>(credential: string, request: `${'GET' | 'POST'} /${string}`, body?: unknown, headers?: Record<string, string>) => Promise<Answer<T>>;

export const askingAt =
  (origin: string): Ask =>
  async <T>(credential: string, request: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer<T>> => {
    const [method = 'GET', path = '/'] = request.split(' ', 2);
    const writing = method === 'POST' ? { 'content-type': 'application/json', 'idempotency-key': randomUUID() } : {};
    return askAgain(async () => {
      const response = await fetch(`${origin}${path}`, {
        method,
        headers: { authorization: `Bearer ${credential}`, ...writing, ...headers },
        ...(method === 'POST' ? { body: JSON.stringify(body ?? {}) } : {}),
        signal: AbortSignal.timeout(60_000),
      });
      const bytes = await response.text();
      return { status: response.status, headers: response.headers, bytes, body: (bytes === '' ? {} : JSON.parse(bytes)) as T };
    });
  };

/** Asks again until it holds; events take a moment to reach the next service. @throws Error with the last answer */
export const until = async <T>(ask: () => Promise<T>, holds: (answer: T) => boolean, what: string, withinMs = PATIENCE_MS): Promise<T> => {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const answer = await ask();
    if (holds(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`${what} did not happen within ${withinMs} ms; last: ${JSON.stringify(answer).slice(0, 1_000)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
};
