import { randomUUID } from 'node:crypto';
import type { Code } from '@exequatur/contracts';
import { ExequaturProblem, ExequaturUnreachable } from './errors.js';

export interface Call {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly body?: unknown;
  /** in the place of body: sent as application/octet-stream */
  readonly bytes?: Uint8Array;
  readonly idempotencyKey?: string;
  readonly ifMatch?: string;
  /** per attempt; long polls need more than the default */
  readonly timeoutMs?: number;
}

export interface HttpOptions {
  readonly credential: string;
  readonly fetch?: typeof fetch;
  /** attempts in all, for lost connections, 429 and 503; each uses the same Idempotency-Key */
  readonly attempts?: number;
}

const OCTETS = 'application/octet-stream';
const ATTEMPT_TIMEOUT_MS = 15_000;
const BACKOFF_MS = [100, 300, 1_000, 3_000] as const;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** One call with its retries. Only what cannot have a second effect is retried: reads, and writes under one Idempotency-Key. */
export const send = async <T>(options: HttpOptions, call: Call): Promise<T> => {
  const idempotencyKey = call.method === 'POST' ? (call.idempotencyKey ?? randomUUID()) : undefined;
  const attempts = options.attempts ?? 4;
  for (let attempt = 1; ; attempt += 1) {
    const answer = await attemptOnce<T>(options, call, idempotencyKey);
    if (answer.ok) return answer.value;
    if (attempt >= attempts || !answer.again) throw answer.error;
    await pause(answer.afterMs ?? BACKOFF_MS[Math.min(attempt, BACKOFF_MS.length) - 1] ?? 3_000);
  }
};

type Attempt<T> = { ok: true; value: T } | { ok: false; error: Error; again: boolean; afterMs?: number };

const attemptOnce = async <T>(options: HttpOptions, call: Call, idempotencyKey: string | undefined): Promise<Attempt<T>> => {
  let response: Response;
  try {
    response = await (options.fetch ?? fetch)(call.url, {
      method: call.method,
      headers: {
        authorization: `Bearer ${options.credential}`,
        accept: 'application/json',
        ...(call.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...(call.bytes === undefined ? {} : { 'content-type': OCTETS }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...(call.ifMatch === undefined ? {} : { 'if-match': call.ifMatch }),
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
      ...(call.bytes === undefined ? {} : { body: new Uint8Array(call.bytes) }),
      signal: AbortSignal.timeout(call.timeoutMs ?? ATTEMPT_TIMEOUT_MS),
    });
    const text = await response.text();
    const value: unknown = text === '' ? undefined : JSON.parse(text);
    if (response.ok) return { ok: true, value: value as T };
    const retryAfter = Number(response.headers.get('retry-after'));
    return {
      ok: false,
      error: problemOf(response.status, value),
      again: response.status === 429 || response.status === 503,
      ...(retryAfter > 0 ? { afterMs: Math.min(retryAfter, 30) * 1_000 } : {}),
    };
  } catch (cause) {
    return { ok: false, error: new ExequaturUnreachable(`no answer from ${new URL(call.url).origin}`, { cause }), again: true };
  }
};

const problemOf = (status: number, value: unknown): ExequaturProblem => {
  const body = (typeof value === 'object' && value !== null ? value : {}) as { code?: Code; detail?: string; title?: string; retryable?: boolean; errors?: { pointer: string; expected: string }[] };
  return new ExequaturProblem(status, body.code ?? 'INTERNAL', body.detail ?? body.title ?? 'no detail', body.retryable ?? false, body.errors);
};
