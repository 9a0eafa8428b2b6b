import { connect, createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What happens to a connection. `only` limits it to requests whose request line matches (`POST /v1/reservations HTTP/1.1`). */
export type Fault = { readonly only?: RegExp } & (
  | { readonly kind: 'none' }
  /** each way, milliseconds */
  | { readonly kind: 'latency'; readonly ms: number }
  /** closed with RST as soon as the request comes; the server never sees it */
  | { readonly kind: 'reset' }
  /** taken and never passed on; nobody hears anything until the client gives up */
  | { readonly kind: 'blackhole' }
  /** RST after so many bytes of the reply */
  | { readonly kind: 'cut'; readonly afterBytes: number }
  /** the server's whole reply is taken and kept; the client gets RST in its place */
  | { readonly kind: 'swallow' }
  /** half open: the reply is kept until `until`, then sent as if nothing had been */
  | { readonly kind: 'hold'; readonly until: Promise<void>; readonly held: () => void }
);

export interface FaultProxy {
  readonly port: number;
  readonly url: string;
  /** For requests from now on, also on connections that are open. */
  behave(fault: Fault): void;
  /** whole replies that were swallowed, in order */
  readonly swallowed: readonly SwallowedReply[];
  /** how often the fault really hit */
  readonly hits: number;
  stop(): Promise<void>;
}

export interface SwallowedReply {
  readonly status: number;
  readonly body: string;
}

const REQUEST_LINE = /^[A-Z]+ \S+ HTTP\/1\.1(?=\r\n)/;

/** A reply of known length, once all of it is there; every answer of Exequatur states its length. */
const wholeReply = (received: Buffer): SwallowedReply | undefined => {
  const headEnd = received.indexOf('\r\n\r\n');
  if (headEnd === -1) return undefined;
  const head = received.subarray(0, headEnd).toString('latin1');
  const length = Number(/^content-length: (\d+)/im.exec(head)?.[1] ?? Number.NaN);
  if (Number.isNaN(length)) throw new Error(`a reply without a length cannot be swallowed: ${head}`);
  const body = received.subarray(headEnd + 4);
  return body.length < length ? undefined : { status: Number(head.split(' ')[1]), body: body.toString('utf8') };
};

/** One client and the server behind it. HTTP/1.1 without pipelining is assumed where a fault looks at requests. */
class Passage {
  private active: Fault = { kind: 'none' };
  private received = Buffer.alloc(0);
  private passed = 0;

  constructor(
    private readonly client: Socket,
    private readonly server: Socket,
    private readonly fault: () => Fault,
    private readonly hit: (swallowed?: SwallowedReply) => void,
  ) {
    for (const [one, other] of [[client, server], [server, client]] as const) {
      one.on('error', () => other.destroy());
      one.on('close', () => other.destroy());
    }
    client.on('data', (chunk: Buffer) => void this.asked(chunk));
    server.on('data', (chunk: Buffer) => void this.answered(chunk));
  }

  private async asked(chunk: Buffer): Promise<void> {
    const line = REQUEST_LINE.exec(chunk.toString('latin1'))?.[0];
    if (line !== undefined) this.begin(line);
    if (this.active.kind === 'reset') return this.sever();
    if (this.active.kind === 'blackhole') return;
    if (this.active.kind === 'latency') await delay(this.active.ms);
    this.server.write(chunk);
  }

  /** Each request begins anew under the fault that holds then. */
  private begin(line: string): void {
    const fault = this.fault();
    this.active = fault.only === undefined || fault.only.test(line) ? fault : { kind: 'none' };
    this.received = Buffer.alloc(0);
    this.passed = 0;
    if (['latency', 'reset', 'blackhole'].includes(this.active.kind)) this.hit();
  }

  private async answered(chunk: Buffer): Promise<void> {
    const fault = this.active;
    switch (fault.kind) {
      case 'latency':
        await delay(fault.ms);
        return void this.client.write(chunk);
      case 'hold':
        this.hit();
        fault.held();
        await fault.until;
        return void this.client.write(chunk);
      case 'cut':
        this.client.write(chunk.subarray(0, fault.afterBytes - this.passed));
        this.passed += chunk.length;
        if (this.passed < fault.afterBytes) return;
        this.hit();
        return this.sever();
      case 'swallow': {
        this.received = Buffer.concat([this.received, chunk]);
        const reply = wholeReply(this.received);
        if (reply === undefined) return;
        this.hit(reply);
        return this.sever();
      }
      default:
        this.client.write(chunk);
    }
  }

  private sever(): void {
    this.client.resetAndDestroy();
    this.server.destroy();
  }
}

/** A TCP proxy on 127.0.0.1 in front of one server, which does to its connections what networks do. */
export const startFaultProxy = (target: { readonly host?: string; readonly port: number }): Promise<FaultProxy> => {
  let fault: Fault = { kind: 'none' };
  let hits = 0;
  const swallowed: SwallowedReply[] = [];
  const clients = new Set<Socket>();
  const hit = (reply?: SwallowedReply): void => {
    hits += 1;
    if (reply !== undefined) swallowed.push(reply);
  };
  const listening = createServer({ noDelay: true }, (client) => {
    clients.add(client);
    client.once('close', () => clients.delete(client));
    new Passage(client, connect({ host: target.host ?? '127.0.0.1', port: target.port, noDelay: true }), () => fault, hit);
  });
  return new Promise((resolve, reject) => {
    listening.once('error', reject);
    listening.listen(0, '127.0.0.1', () => {
      const { port } = listening.address() as AddressInfo;
      resolve({
        port,
        url: `http://127.0.0.1:${port}`,
        behave: (next) => void (fault = next),
        swallowed,
        get hits() {
          return hits;
        },
        stop: () =>
          new Promise((done) => {
            listening.close(() => done());
            for (const client of clients) client.destroy();
          }),
      });
    });
  });
};
