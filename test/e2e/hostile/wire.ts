import { Agent, request as send } from 'node:http';
import { connect } from 'node:net';

export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}
export interface Received {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

const WITHIN_MS = 60_000;

/** Sends exactly what it is told, without fetch's tidying. A connection that ends without an answer rejects. */
export const wireTo = (origin: string): { ask(sent: Sent): Promise<Received>; raw(bytes: string | Buffer): Promise<Received>; close(): void } => {
  const { hostname, port } = new URL(origin);
  const agent = new Agent({ keepAlive: true, maxSockets: 8 });
  return {
    ask: ({ method, path, headers, body }) =>
      new Promise((resolve, reject) => {
        const outgoing = send({ hostname, port, agent, method, path, headers: { ...headers, ...(body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }) }, timeout: WITHIN_MS }, (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('error', reject);
          response.on('end', () => resolve({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text: Buffer.concat(chunks).toString('utf8') }));
        });
        outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer within ${WITHIN_MS} ms`)));
        // Late, when the answer came before all of the body was taken: then there is an answer already.
        outgoing.on('error', reject);
        outgoing.end(body);
      }),
    raw: (bytes) =>
      new Promise((resolve, reject) => {
        const socket = connect(Number(port), hostname);
        const chunks: Buffer[] = [];
        socket.setTimeout(WITHIN_MS, () => socket.destroy(new Error(`no answer within ${WITHIN_MS} ms`)));
        socket.on('data', (chunk: Buffer) => chunks.push(chunk));
        socket.on('error', reject);
        socket.on('close', () => {
          const [head = '', ...rest] = Buffer.concat(chunks).toString('utf8').split('\r\n\r\n');
          resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), type: /^content-type: (.*)$/im.exec(head)?.[1] ?? '', text: rest.join('\r\n\r\n') });
        });
        socket.write(bytes);
      }),
    close: () => agent.destroy(),
  };
};
