import { Pool } from 'undici';

export interface Wire {
  post<T>(path: string, body: unknown, credential: string, key: string): Promise<T>;
  close(): Promise<void>;
}

/** Keep-alive connections, one request in flight on each: the load generator's only client. */
export const wireTo = (origin: string, connections: number): Wire => {
  const pool = new Pool(origin, { connections, pipelining: 1 });
  return {
    post: async <T>(path: string, body: unknown, credential: string, key: string): Promise<T> => {
      const response = await pool.request({ method: 'POST', path, headers: { 'content-type': 'application/json', authorization: `Bearer ${credential}`, 'idempotency-key': key }, body: JSON.stringify(body) });
      const text = await response.body.text();
      if (response.statusCode >= 300) throw new Error(`POST ${path} answered ${response.statusCode}: ${text.slice(0, 300)}`);
      return JSON.parse(text) as T;
    },
    close: () => pool.close(),
  };
};
