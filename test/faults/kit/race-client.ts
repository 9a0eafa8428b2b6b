/**
 * One client process of a race, without any package so that hundreds fit in memory. It opens its connection and sends its request
 * up to the last byte, says `ready`, and sends that byte when it is told `go`: between the barrier and the server lies one write.
 * What follows in its list goes out one after the other on the same connection; told `enough` it sends one more and ends.
 */
import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface RaceRequest {
  readonly port: number;
  /** the whole HTTP/1.1 request */
  readonly bytes: string;
}
export type RaceOrder = { readonly requests: readonly RaceRequest[] } | 'go' | 'enough' | 'end';
export interface RaceReply {
  /** 0 when the connection broke */
  readonly status: number;
  readonly body: string;
  /** Unix ms at which the last byte was sent, and the whole reply had come */
  readonly sentAt: number;
  readonly doneAt: number;
}
export type RaceWord = 'ready' | { readonly replies: readonly RaceReply[] };

const say = (word: RaceWord): void => void process.send?.(word);

/** So many go out without a pause; then each waits longer, so that a list of 40 lasts 100 s at least if nobody says `enough`. */
const AT_FULL_SPEED = 6;
const FIRST_PAUSE_MS = 4;
const PAUSE_GROWTH = 1.3;
const pauseAfter = (sent: number): number => (sent < AT_FULL_SPEED ? 0 : FIRST_PAUSE_MS * PAUSE_GROWTH ** (sent - AT_FULL_SPEED));

let requests: readonly RaceRequest[] = [];
let socket: Socket | undefined;
/** Aborted once it was told `enough`. */
let enough = new AbortController();

/** Over at once when `enough` is said. */
const paused = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    if (ms === 0 || enough.signal.aborted) return resolve();
    const end = (): void => {
      clearTimeout(timer);
      enough.signal.removeEventListener('abort', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    enough.signal.addEventListener('abort', end);
  });

const replyOn = (from: Socket, sentAt: number): Promise<RaceReply> =>
  new Promise((resolve) => {
    let received = '';
    const end = (status: number, body: string): void => {
      from.removeAllListeners();
      from.on('error', () => undefined);
      resolve({ status, body, sentAt, doneAt: Date.now() });
    };
    from.on('error', () => end(0, ''));
    from.on('close', () => end(0, ''));
    from.on('data', (chunk: Buffer) => {
      received += chunk.toString('latin1');
      const headEnd = received.indexOf('\r\n\r\n');
      if (headEnd === -1) return;
      const length = Number(/^content-length: (\d+)/im.exec(received.slice(0, headEnd))?.[1] ?? 0);
      const body = received.slice(headEnd + 4);
      if (body.length >= length) end(Number(received.split(' ', 2)[1]), Buffer.from(body, 'latin1').toString('utf8'));
    });
  });

const prepare = (): void => {
  const [first] = requests;
  if (first === undefined) return say('ready');
  socket = connect({ host: '127.0.0.1', port: first.port, noDelay: true }, () => socket?.write(first.bytes.slice(0, -1), () => say('ready')));
  socket.on('error', () => undefined);
};

/** The same bytes again while the answer is "later", as on a loaded machine: it is the last one that stands, and when that was asked. */
const standing = async (on: Socket, bytes: string, first: string): Promise<RaceReply> => {
  for (let rest = first; ; rest = bytes) {
    const reply = replyOn(on, Date.now());
    on.write(rest);
    const replied = await reply;
    if (!replied.body.includes('"code":"BUSY"') || on.destroyed) return replied;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

const race = async (): Promise<void> => {
  const replies: RaceReply[] = [];
  for (const [nth, { bytes }] of requests.entries()) {
    if (nth > 0) await paused(pauseAfter(nth));
    if (socket === undefined || socket.destroyed) break;
    const last = enough.signal.aborted;
    replies.push(await standing(socket, bytes, nth === 0 ? bytes.slice(-1) : bytes));
    if (last) break;
  }
  socket?.destroy();
  say({ replies });
};

process.on('message', (order: RaceOrder) => {
  if (order === 'go') void race();
  else if (order === 'enough') enough.abort();
  else if (order === 'end') process.disconnect();
  else {
    ({ requests } = order);
    enough = new AbortController();
    prepare();
  }
});
