import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { QUIET } from '@exequatur/testing';
import { start, startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;

describe('npm start', () => {
  const directory = temporaryDirectory();
  let standalone: RunningStandalone;

  beforeAll(async () => {
    standalone = await startStandalone(directory.path);
  }, SLOW);
  afterAll(async () => {
    await standalone.interrupt();
    directory.remove();
  }, SLOW);

  const get = (path: string, credential?: string): Promise<Response> => fetch(`${standalone.origin}${path}`, credential === undefined ? {} : { headers: { authorization: `Bearer ${credential}` } });

  test('says where it listens, with credentials for everyone and three commands to try', () => {
    const { stdout } = standalone.program.output;
    for (const word of ['agent', 'approver', 'operator', 'auditor', 'npm run demo', 'curl', 'walk.sh', standalone.credentials.agent]) expect(stdout).toContain(word);
  });

  test('answers livez, readyz, metrics, keys and an OpenAPI document for all services at one origin', async () => {
    expect((await get('/livez')).status).toBe(200);
    const ready = await get('/readyz');
    expect(ready.status).toBe(200);
    expect(Object.keys((await ready.json()) as object).sort()).toEqual(['approvals', 'audit', 'executor', 'policy', 'reservations']);
    expect(((await (await get('/.well-known/jwks.json')).json()) as { keys: unknown[] }).keys).toHaveLength(5);
    const paths = Object.keys(((await (await get('/openapi.json')).json()) as { paths: object }).paths);
    for (const path of ['/v1/actions', '/v1/reservations', '/v1/tenants', '/v1/budgets']) expect(paths).toContain(path);
    const metrics = await (await get('/metrics')).text();
    const types = metrics.split('\n').filter((line) => line.startsWith('# TYPE'));
    expect(new Set(types).size).toBe(types.length);
  });

  test('keeps its secrets from other users', () => {
    expect(statSync(join(directory.path, 'secrets')).mode & 0o777).toBe(0o700);
    for (const file of ['credentials.json', 'secrets/admin-token', 'secrets/policy.signing-key.json']) expect(statSync(join(directory.path, file)).mode & 0o077).toBe(0);
  });

  test('a second instance on the same directory, and a taken port, are each one sentence and exit code 1', async () => {
    const second = await start('apps/standalone/dist/main.js', ['--port', '0', '--data-dir', directory.path]).ended;
    expect([second.code, second.stderr]).toEqual([1, expect.stringMatching(/in use by process \d+/)]);
    const taken = await start('apps/standalone/dist/main.js', ['--port', new URL(standalone.origin).port, '--data-dir', join(directory.path, 'other')]).ended;
    expect([taken.code, taken.stderr.trim().split('\n')]).toEqual([1, [expect.stringMatching(/^Port \d+ .*already in use/)]]);
  }, SLOW);

  test('data survives Ctrl-C, within 5 s, and kill -9 of the whole process', async () => {
    const before = (await (await get('/v1/policies', standalone.credentials.operator)).json()) as unknown;
    const stopping = performance.now();
    const ended = await standalone.interrupt();
    expect([ended.code, ended.signal]).toEqual([0, null]);
    if (QUIET) expect(performance.now() - stopping).toBeLessThan(5_500);
    standalone = await startStandalone(directory.path);
    standalone.program.child.kill('SIGKILL');
    await standalone.program.ended;
    standalone = await startStandalone(directory.path);
    expect(await (await get('/v1/policies', standalone.credentials.operator)).json()).toEqual(before);
  }, SLOW);

  test('a second start answers within 5 s', async () => {
    await standalone.interrupt();
    const starting = performance.now();
    standalone = await startStandalone(directory.path);
    expect((await get('/livez')).status).toBe(200);
    const tookMs = performance.now() - starting;
    console.log(`second start to first answer: ${(tookMs / 1_000).toFixed(2)} s`);
    if (QUIET) expect(tookMs).toBeLessThan(5_000);
  }, SLOW);
});

describe('what a person can get wrong', () => {
  test('a directory that cannot be written', async () => {
    const directory = temporaryDirectory();
    const file = join(directory.path, 'a-file');
    writeFileSync(file, '');
    const ended = await start('apps/standalone/dist/main.js', ['--port', '0', '--data-dir', join(file, 'below')]).ended;
    expect(ended.code).toBe(1);
    expect(ended.stderr.trim().split('\n')).toEqual([expect.stringMatching(/^The data directory .* cannot be used/)]);
    directory.remove();
  }, SLOW);

  test('an option that is not a port, and one that does not exist', async () => {
    const port = await start('apps/standalone/dist/main.js', ['--port', 'eighty']).ended;
    expect([port.code, port.stderr]).toEqual([1, expect.stringContaining('expected a number from 0 to 65535')]);
    const unknown = await start('apps/standalone/dist/main.js', ['--prot', '80']).ended;
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining("unknown option '--prot'")]);
  }, SLOW);

  test('an old Node.js is told which one is needed', async () => {
    const directory = temporaryDirectory();
    const preload = join(directory.path, 'old.mjs');
    writeFileSync(preload, "Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.0' } });");
    const ended = await start('tools/start.mjs', [], { NODE_OPTIONS: `--import=${preload}` }).ended;
    expect([ended.code, ended.stderr.trim()]).toEqual([1, 'Exequatur needs Node.js 20.19 or newer; this is 18.20.0.']);
    directory.remove();
  }, SLOW);

  test('--reset starts afresh, with other credentials', async () => {
    const directory = temporaryDirectory();
    const first = await startStandalone(directory.path);
    await first.interrupt();
    mkdirSync(join(directory.path, 'kept-by-its-owner'));
    const second = await startStandalone(directory.path, ['--reset']);
    expect(second.credentials.agent).not.toBe(first.credentials.agent);
    expect(existsSync(join(directory.path, 'kept-by-its-owner'))).toBe(true);
    await second.interrupt();
    directory.remove();
  }, SLOW);
});

test('a taken port is noticed before anything is written', async () => {
  const directory = temporaryDirectory();
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ended = await start('apps/standalone/dist/main.js', ['--port', String((server.address() as AddressInfo).port), '--data-dir', join(directory.path, 'data')]).ended;
  server.close();
  expect([ended.code, existsSync(join(directory.path, 'data'))]).toEqual([1, false]);
  rmSync(directory.path, { recursive: true, force: true });
}, SLOW);

test('the banner of the README is the one that is printed', () => {
  expect(readFileSync('README.md', 'utf8')).toContain('Exequatur is ready.');
});
