import { spawn } from 'node:child_process';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { freePort } from './free-port.js';
import { startStandalone, temporaryDirectory } from './programs.js';
import type { RunningStandalone } from './programs.js';

const SLOW = 300_000;

const walk = (environment: Record<string, string>): Promise<{ code: number | null; stdout: string; stderr: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn('sh', ['docs/tutorial/walk.sh'], { env: { PATH: process.env['PATH'] ?? '', ...environment }, stdio: ['ignore', 'pipe', 'pipe'] });
    let [stdout, stderr] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, stdout, stderr }));
  });

/** Issue 3, "Shown by" 3: a client that knows only docs/reference walks the whole path, with curl. */
describe('docs/tutorial/walk.sh', () => {
  const directory = temporaryDirectory();
  let standalone: RunningStandalone;
  beforeAll(async () => {
    standalone = await startStandalone(directory.path);
  }, SLOW);
  afterAll(async () => {
    await standalone.interrupt();
    directory.remove();
  }, SLOW);

  const OUTCOME = /"code":"GRANT_EXHAUSTED"[\s\S]*9\. The receipt[\s\S]*"outcome":"executed"[\s\S]*Walked: proposed, approved, reserved, run, committed, proven\.\n$/;

  test('walks the whole path with the credentials of the data directory', async () => {
    const { code, stdout, stderr } = await walk({ EXEQUATUR_URL: standalone.origin, EXEQUATUR_DATA_DIR: directory.path });
    expect({ code, stderr, stdout }).toEqual({ code: 0, stderr: '', stdout: expect.stringMatching(OUTCOME) });
  }, SLOW);

  test('and again, with credentials from the environment', async () => {
    const { agent, approver, auditor, scope_path } = standalone.credentials;
    const { code, stdout } = await walk({ EXEQUATUR_URL: standalone.origin, EXEQUATUR_DATA_DIR: '/nowhere', EXEQUATUR_AGENT: agent, EXEQUATUR_APPROVER: approver, EXEQUATUR_AUDITOR: auditor, EXEQUATUR_SCOPE: scope_path });
    expect([code, stdout]).toEqual([0, expect.stringMatching(OUTCOME)]);
  }, SLOW);

  test('ends at the first answer that is not what it should be', async () => {
    const { code, stdout, stderr } = await walk({ EXEQUATUR_URL: standalone.origin, EXEQUATUR_DATA_DIR: directory.path, EXEQUATUR_APPROVER: standalone.credentials.agent });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^walk: reading the card: expected 200, got 403/)]);
    expect(stdout).not.toContain('Walked');
  }, SLOW);

  test('says so when nothing listens, and when there are no credentials', async () => {
    const nobody = await walk({ EXEQUATUR_URL: `http://127.0.0.1:${await freePort()}`, EXEQUATUR_DATA_DIR: directory.path });
    expect([nobody.code, nobody.stderr]).toEqual([1, expect.stringMatching(/walk: no answer from http:\/\/127\.0\.0\.1:\d+; is Exequatur running\?/)]);
    const bare = await walk({ EXEQUATUR_URL: standalone.origin, EXEQUATUR_DATA_DIR: '/nowhere' });
    expect([bare.code, bare.stderr]).toEqual([1, expect.stringContaining('no /nowhere/credentials.json; start Exequatur with npm start')]);
  }, SLOW);
});
