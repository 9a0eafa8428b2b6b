import { connect as connectTo, createServer } from 'node:net';
import type { AddressInfo, Server } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { PreparingClient } from './preparing-client.js';

/** Types of the protocol's client messages, which are a byte each, with their length behind it. */
const messagesIn = (bytes: Buffer): string => {
  let types = '';
  for (let at = 0; at < bytes.length; at += 1 + bytes.readInt32BE(at + 1)) types += String.fromCharCode(bytes[at] ?? 0);
  return types;
};

describe('a client whose statements fly together', () => {
  let postgres: TestPostgres;
  let proxy: Server;
  /** what the client has sent since the last look */
  let written: Buffer[] = [];
  let client: PreparingClient;
  const sent = (): string => messagesIn(Buffer.concat(written.splice(0)));

  beforeAll(async () => {
    postgres = await startTestPostgres();
    const { hostname, port } = new URL(postgres.url);
    proxy = createServer((near) => {
      const far = connectTo(Number(port), hostname);
      near.on('data', (chunk) => written.push(chunk)).on('error', () => far.destroy()).on('close', () => far.destroy()).pipe(far);
      far.on('error', () => near.destroy()).on('close', () => near.destroy()).pipe(near);
    });
    await new Promise<void>((resolve) => void proxy.listen(0, '127.0.0.1', resolve));
  });
  afterAll(async () => {
    await new Promise((resolve) => proxy.close(resolve));
    await postgres.stop();
  });
  beforeEach(async () => {
    const url = new URL(postgres.url);
    url.hostname = '127.0.0.1';
    url.port = String((proxy.address() as AddressInfo).port);
    client = new PreparingClient(url.href);
    client.on('error', () => undefined);
    await client.connect();
    written = [];
  });
  afterEach(() => client.end().catch(() => undefined));

  const plus = async (first: number, second: number): Promise<unknown> => (await client.query<{ sum: number }>('SELECT $1::integer + $2::integer AS sum', [first, second])).rows[0]?.sum;
  const fail = (): Promise<unknown> => client.query('SELECT 1 / $1::integer', [0]);
  const codeOf = async (statement: Promise<unknown>): Promise<unknown> => statement.then(() => 'no failure', (error: { code?: unknown }) => error.code);

  test('statements of one turn end with one Sync, and each has its own answer', async () => {
    expect(await Promise.all([plus(1, 2), plus(3, 4), plus(5, 6)])).toEqual([3, 7, 11]);
    expect(sent().replaceAll(/[PBDE]/g, '')).toBe('S');
    expect(await plus(7, 8)).toBe(15);
    expect(sent()).toBe('BDES');
  });

  test('after a failure the rest of the flight is not run, and the next flight is', async () => {
    await client.query('CREATE TEMPORARY TABLE mark (place integer)');
    const mark = (place: number): Promise<unknown> => client.query('INSERT INTO mark VALUES ($1)', [place]);
    const flight = [plus(1, 1), fail(), plus(2, 2), mark(1)] as const;
    expect(await Promise.all(flight.map(codeOf))).toEqual(['no failure', '22012', '25P02', '25P02']);
    // What was skipped was not prepared either.
    expect(await Promise.all([mark(2), plus(2, 2)])).toEqual([expect.anything(), 4]);
    expect((await client.query('SELECT place FROM mark')).rows).toEqual([{ place: 2 }]);
  });

  test('a transaction whose statement fails is rolled back, and the connection serves the next', async () => {
    const BEGIN = { name: 'begin', text: 'BEGIN' };
    const COMMIT = { name: 'commit', text: 'COMMIT' };
    for (const round of [1, 2]) {
      expect(await Promise.all([client.query(BEGIN), plus(round, 1), fail(), client.query(COMMIT)].map(codeOf))).toEqual(['no failure', 'no failure', '22012', '25P02']);
      await client.query('ROLLBACK');
      const [, sum, { command }] = await Promise.all([client.query(BEGIN), plus(round, 1), client.query(COMMIT)]);
      expect([sum, command]).toEqual([round + 1, 'COMMIT']);
    }
  });

  test('a failure in the last statement leaves the ones before as they were answered', async () => {
    expect(await Promise.all([plus(1, 1), fail()].map(codeOf))).toEqual(['no failure', '22012']);
    expect(await plus(1, 2)).toBe(3);
  });

  test('plain texts and statements take turns', async () => {
    const [first, plain, second, many] = await Promise.all([plus(1, 2), client.query('SELECT 5 AS five'), plus(3, 4), client.query('SELECT 1 AS a; SELECT 2 AS b')]);
    expect([first, plain.rows, second, (many as unknown as { rows: unknown }[]).map(({ rows }) => rows)]).toEqual([3, [{ five: 5 }], 7, [[{ a: 1 }], [{ b: 2 }]]]);
    expect(await Promise.all([plus(1, 2), fail(), client.query('SELECT 6'), plus(3, 4)].map(codeOf))).toEqual(['no failure', '22012', 'no failure', 'no failure']);
  });

  test('a value that cannot be sent fails its own statement only', async () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    const [before, impossible, after] = await Promise.all([codeOf(plus(1, 1)), client.query('SELECT $1::jsonb', [circular]).catch((error: Error) => error.name), plus(2, 2)]);
    expect([before, impossible, after]).toEqual(['no failure', 'TypeError', 4]);
    expect(await plus(3, 3)).toBe(6);
  });

  test('asked before it is connected, it answers when it is', async () => {
    const early = new PreparingClient(postgres.url);
    const answers = [early.query('SELECT $1::integer AS a', [1]), early.query('SELECT $1::integer AS b', [2])];
    await early.connect();
    expect((await Promise.all(answers)).map(({ rows }) => rows)).toEqual([[{ a: 1 }], [{ b: 2 }]]);
    await early.end();
  });

  test('a connection that is lost in the middle of a flight fails all of it', async () => {
    const flight = [plus(1, 1), client.query('SELECT pg_terminate_backend(pg_backend_pid()), $1::integer', [1]), plus(2, 2)];
    const codes = await Promise.all(flight.map(codeOf));
    expect(codes[1]).not.toBe('no failure');
    expect(codes[2]).not.toBe('no failure');
  });
});
