import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to one ask of the executor on its way to the real reservations. */
export type Passage =
  | 'through'
  | 'never arrives'
  | 'answer is lost'
  /** Made up, as reservations could have said. */
  | { readonly status: number; readonly body: object }
  /** Reservations has answered; the answer goes on when this resolves. */
  | { readonly answered: () => Promise<void> };

/** The wire between executor and reservations, which specs may cut. */
export interface ReservationsDoor {
  readonly url: string;
  /** Idempotency keys of the asks, in order. */
  readonly asks: string[];
  /** Decides on later asks; `nth` counts from 1. */
  pass(passage: (nth: number) => Passage | Promise<Passage>): void;
  stop(): Promise<void>;
}

export const openReservationsDoor = async (origin: () => string): Promise<ReservationsDoor> => {
  const asks: string[] = [];
  let passage: (nth: number) => Passage | Promise<Passage> = () => 'through';
  const server = createServer((incoming, response) => {
    void (async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
      const how = await passage(asks.push(String(incoming.headers['idempotency-key'])));
      if (how === 'never arrives') return void response.destroy();
      if (typeof how === 'object' && 'status' in how) return void response.writeHead(how.status, { 'content-type': 'application/problem+json' }).end(JSON.stringify(how.body));
      const { authorization = '', 'idempotency-key': key = '' } = incoming.headers;
      const answer = await fetch(`${origin()}${incoming.url}`, { method: 'POST', headers: { authorization, 'idempotency-key': String(key), 'content-type': 'application/json' }, body: Buffer.concat(chunks) });
      const bytes = Buffer.from(await answer.arrayBuffer());
      if (how === 'answer is lost') return void response.destroy();
      if (typeof how === 'object') await how.answered();
      response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? '' }).end(bytes);
    })().catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asks,
    pass: (next) => (passage = next),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
};
