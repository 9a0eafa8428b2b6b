import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeEach, describe, expect, test } from '@jest/globals';
import { consistencyPath, cosignedAt, generateSigningKey, importSigningKey, leafHash, merkleRoot, readWitnessKey, signTreeHead, verifyTreeHead, writeWitnessRequest } from '@exequatur/audit-chain';
import { run } from './cli/run.js';
import type { Ran } from './cli/run.js';
import { readWatchedLogs, WatchedLogsError } from './watched-logs.js';
import { MemoryError, nameOfLog, WitnessMemory } from './witness-memory.js';
import { Witness } from './witness.js';

const ORIGIN = 'exequatur/acme';
const logPair = generateSigningKey('audit');
const logKey = importSigningKey(logPair.privateJwk);
const strangerKey = importSigningKey(generateSigningKey('stranger').privateJwk);
const identity = { name: 'witness.test/1', key: importSigningKey(generateSigningKey('witness').privateJwk) };
const witnessKey = { name: identity.name, publicKey: identity.key.publicKey };
const watched = readWatchedLogs(JSON.stringify([{ origin: ORIGIN, keys: [logPair.publicJwk] }, { origin: 'other/*', keys: [logPair.publicJwk] }]));

const leaves = (count: number, other = -1): Buffer[] => Array.from({ length: count }, (_, index) => leafHash(Buffer.from(index === other ? 'forged' : `event ${index}`)));
const noteOf = (of: readonly Buffer[], origin = ORIGIN, key = logKey): string => signTreeHead({ origin, size: of.length, root: merkleRoot(of) }, key);
const asking = (of: readonly Buffer[], oldSize: number, origin = ORIGIN): string => writeWitnessRequest({ oldSize, path: oldSize === 0 || oldSize === of.length ? [] : consistencyPath(of, oldSize), note: noteOf(of, origin) });

const root = mkdtempSync(join(tmpdir(), 'exequatur-witness-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let directory: string;
let witness: Witness;
beforeEach(() => {
  directory = mkdtempSync(join(root, 'state-'));
  witness = new Witness(identity, watched, new WitnessMemory(directory), () => 1_800_000_000_000);
});

describe('a witness', () => {
  test('cosigns the first head it sees, and those that continue it', () => {
    const first = witness.add(asking(leaves(5), 0));
    expect(first.status).toBe(200);
    expect(cosignedAt(noteOf(leaves(5)) + first.body, witnessKey)).toBe(1_800_000_000);
    for (const [size, old] of [[6, 5], [6, 6], [13, 6], [64, 13]] as const) expect([size, witness.add(asking(leaves(size), old)).status]).toEqual([size, 200]);
  });

  test('invariant 24: never cosigns a second history, whatever the proof says', () => {
    expect(witness.add(asking(leaves(8), 0)).status).toBe(200);
    // A fork that is consistent with itself, a fork of the same size, and a log cut short.
    expect(witness.add(asking(leaves(12, 3), 8)).status).toBe(422);
    expect(witness.add(asking(leaves(8, 3), 8))).toMatchObject({ status: 409, body: '8\n' });
    expect(witness.add(asking(leaves(7), 7))).toMatchObject({ status: 409, body: '8\n', contentType: 'text/x.tlog.size' });
    expect(witness.add(asking(leaves(12), 0))).toMatchObject({ status: 409, body: '8\n' });
    expect(witness.add(writeWitnessRequest({ oldSize: 8, path: [], note: noteOf(leaves(12)) })).status).toBe(422);
    expect(witness.add(asking(leaves(12), 8)).status).toBe(200);
  });

  test('invariant 24: of many requests at once for one size, with different roots, cosigns one', () => {
    const answers = Array.from({ length: 16 }, (_, fork) => witness.add(asking(leaves(4, fork % 4), 0)).status);
    expect(answers.filter((status) => status === 200)).toHaveLength(1);
  });

  test('remembers across restarts, and does not start on a damaged memory', () => {
    expect(witness.add(asking(leaves(8), 0)).status).toBe(200);
    const again = new Witness(identity, watched, new WitnessMemory(directory));
    expect(again.add(asking(leaves(12, 3), 8)).status).toBe(422);
    expect(again.add(asking(leaves(12), 8)).status).toBe(200);
    writeFileSync(join(directory, readdirSync(directory)[0] as string), '{"origin":');
    expect(() => new WitnessMemory(directory)).toThrow(MemoryError);
  });

  test('what it could not remember it does not cosign', () => {
    rmSync(directory, { recursive: true });
    expect(() => witness.add(asking(leaves(5), 0))).toThrow();
  });

  test('knows its logs and their keys', () => {
    expect(witness.add(asking(leaves(3), 0, 'exequatur/globex')).status).toBe(404);
    expect(witness.add(asking(leaves(3), 0, 'other/globex')).status).toBe(200);
    expect(witness.add(asking(leaves(3), 0, 'other/')).status).toBe(404);
    expect(witness.add(writeWitnessRequest({ oldSize: 0, path: [], note: noteOf(leaves(3), ORIGIN, strangerKey) })).status).toBe(403);
    for (const body of ['', 'old 0\n', 'old x\n\nnote', `old 9\n\n${noteOf(leaves(3))}`]) expect(witness.add(body).status).toBe(400);
    for (const list of ['', '[]', '{}', '[{"origin":"a b","keys":[{}]}]', '[{"origin":"a","keys":[]}]']) expect(() => readWatchedLogs(list)).toThrow(WatchedLogsError);
  });
});

describe('the witness as a program', () => {
  const said = { out: '', err: '' };
  const command = (...argv: string[]): Promise<Ran> => run(argv, { out: (text) => (said.out += text), err: (text) => (said.err += text) });

  test('makes its key once, serves over HTTP, and hands out what it cosigned', async () => {
    const logs = join(directory, 'logs.json');
    writeFileSync(logs, JSON.stringify([{ origin: ORIGIN, keys: [logPair.publicJwk] }]));
    said.out = '';
    expect((await command('init', '--state', directory, '--name', 'w.test/1')).exitCode).toBe(0);
    const pinned = readWitnessKey(said.out.trim());
    expect(pinned?.name).toBe('w.test/1');
    expect((await command('init', '--state', directory, '--name', 'w.test/1')).exitCode).toBe(2);
    const { serving, exitCode } = await command('serve', '--state', directory, '--logs', logs, '--port', '0');
    if (serving === undefined) throw new Error(`it does not serve: ${exitCode} ${said.err}`);
    try {
      const post = (body: string): Promise<Response> => fetch(`${serving.origin}/add-checkpoint`, { method: 'POST', body });
      expect((await post(asking(leaves(5), 0))).status).toBe(200);
      const behind = await post(asking(leaves(9), 0));
      expect([behind.status, behind.headers.get('content-type'), await behind.text()]).toEqual([409, 'text/x.tlog.size', '5\n']);
      const head = await (await fetch(`${serving.origin}/heads/${nameOfLog(ORIGIN)}`)).text();
      expect(pinned === undefined ? undefined : cosignedAt(head, pinned)).toBeGreaterThan(1_600_000_000);
      expect(verifyTreeHead(head, logPair.publicJwk)).toMatchObject({ ok: true, head: { size: 5 } });
      expect((await post('x'.repeat(200_000))).status).toBe(413);
      for (const [path, status] of [['/', 404], ['/add-checkpoint', 405], [`/heads/${'0'.repeat(64)}`, 404], ['/livez', 200]] as const) expect([path, (await fetch(`${serving.origin}${path}`)).status]).toEqual([path, status]);
    } finally {
      await serving.stop();
    }
  });

  test.each([[[]], [['serve', '--state', '/nowhere']], [['serve', '--state', '/nowhere', '--logs', '/nowhere']], [['init', '--state', '/nowhere', '--name', 'a+b']]])('2: %j', async (argv) => {
    expect((await command(...argv)).exitCode).toBe(2);
  });
});
