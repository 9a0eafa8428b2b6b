import { randomUUID } from 'node:crypto';
import type { ServiceName } from '@exequatur/contracts';

export interface Answer<T> {
  readonly status: number;
  readonly body: T;
  readonly etag: string | undefined;
}

/** Plain HTTP, as a client that knows only the reference pages would do it. */
export const callerOf =
  (urls: Readonly<Record<ServiceName, string>>) =>
  async <T = Record<string, unknown>>(service: ServiceName, credential: string, request: `${'GET' | 'POST'} ${string}`, body?: unknown, ifMatch?: string): Promise<Answer<T>> => {
    const [method = 'GET', path = '/'] = request.split(' ', 2);
    const response = await fetch(`${urls[service]}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${credential}`,
        ...(method === 'POST' ? { 'content-type': 'application/json', 'idempotency-key': randomUUID() } : {}),
        ...(ifMatch === undefined ? {} : { 'if-match': ifMatch }),
      },
      ...(method === 'POST' ? { body: JSON.stringify(body ?? {}) } : {}),
      signal: AbortSignal.timeout(45_000),
    });
    const text = await response.text();
    return { status: response.status, etag: response.headers.get('etag') ?? undefined, body: (text === '' ? {} : JSON.parse(text)) as T };
  };

export type Caller = ReturnType<typeof callerOf>;
