import { fork } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { transformFileSync } from '@swc/core';
import type { RaceOrder, RaceReply, RaceRequest, RaceWord } from './race-client.js';
import type { Request } from './tenant.js';

/** Started at once; more would wait for processors, not for each other. */
const AT_A_TIME = 20;
const root = join(import.meta.dirname, '..', '..', '..');

const next = (child: ChildProcess): Promise<RaceWord> =>
  new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`a racing client ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (word: RaceWord) => {
      child.off('exit', ended);
      resolve(word);
    });
  });
const tell = (child: ChildProcess, order: RaceOrder): void => void child.send(order);

/** A request as the bytes a racing client sends to one instance. ASCII only, so that the last character is the last byte. */
export const raceRequest = (origin: string, { token, path, body, key }: Request): RaceRequest => {
  const { host, port } = new URL(origin);
  const payload = JSON.stringify(body);
  return { port: Number(port), bytes: `POST ${path} HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${token}\r\nidempotency-key: ${key}\r\ncontent-type: application/json\r\ncontent-length: ${payload.length}\r\n\r\n${payload}` };
};

/** Client processes at a start barrier, used again for race after race. */
export class RaceClients {
  private races = 0;

  private constructor(
    private readonly children: ChildProcess[],
    private readonly directory: string,
  ) {}

  static async start(count: number): Promise<RaceClients> {
    const directory = mkdtempSync(join(tmpdir(), `exequatur-racers-${process.pid}-`));
    const program = join(directory, 'race-client.mjs');
    writeFileSync(program, transformFileSync(join(root, 'test', 'faults', 'kit', 'race-client.ts'), { configFile: join(root, '.swcrc') }).code);
    const clients = new RaceClients([], directory);
    try {
      while (clients.children.length < count) {
        const some = Array.from({ length: Math.min(AT_A_TIME, count - clients.children.length) }, () => fork(program, [], { execArgv: ['--max-old-space-size=32', '--max-semi-space-size=1'], stdio: ['ignore', 'ignore', 'inherit', 'ipc'], env: { PATH: process.env['PATH'] } }));
        clients.children.push(...some);
        for (const child of some) tell(child, { requests: [] });
        await Promise.all(some.map(next));
      }
      return clients;
    } catch (error) {
      await clients.stop();
      throw error;
    }
  }

  get count(): number {
    return this.children.length;
  }

  /**
   * One list of requests a client; all let go at once. With `meanwhile` they go on until it is over, however long it takes, and
   * each sends one more after it; what is left of the lists is not sent. @returns every reply, in the order of the lists
   */
  async race(lists: readonly (readonly RaceRequest[])[], meanwhile?: () => Promise<void>): Promise<readonly RaceReply[]> {
    if (lists.length > this.children.length) throw new Error(`${lists.length} lists for ${this.children.length} clients`);
    const racing = this.children.slice(0, lists.length);
    racing.forEach((child, nth) => tell(child, { requests: lists[nth] ?? [] }));
    await Promise.all(racing.map(next));
    const words = racing.map(next);
    // Nobody is always the first to hear it.
    this.races += 1;
    const first = (this.races * 7) % racing.length;
    for (const child of [...racing.slice(first), ...racing.slice(0, first)]) tell(child, 'go');
    try {
      await meanwhile?.();
    } finally {
      if (meanwhile !== undefined) for (const child of racing) tell(child, 'enough');
      await Promise.all(words);
    }
    return (await Promise.all(words)).flatMap((word) => (word === 'ready' ? [] : word.replies));
  }

  async stop(): Promise<void> {
    await Promise.all(this.children.map((child) => {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
      const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
      if (child.connected) tell(child, 'end');
      const late = setTimeout(() => child.kill('SIGKILL'), 3_000);
      return ended.finally(() => clearTimeout(late));
    }));
    rmSync(this.directory, { recursive: true, force: true });
  }
}
