import { spawn, spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { TrustedKeys } from '@exequatur/audit-chain';
import { nameOfLog } from '@exequatur/witness';
import { havePython } from '../faults/verify-in-python.js';
import { askingAt, until } from './asking.js';
import type { Ask } from './asking.js';
import { freePort } from './free-port.js';
import { startStandalone, temporaryDirectory } from './programs.js';
import type { Program, RunningStandalone } from './programs.js';

const SLOW = 400_000;
const CANARY = 'canary-of-the-auditor-4242';
const root = join(import.meta.dirname, '..', '..');

/** docs/guides/audit.md, followed: an empty folder, an empty home, the packed verifier, an export, a receipt and the witness's key. */
describe('the auditor’s walk', () => {
  const [installation, outside] = [temporaryDirectory(), temporaryDirectory()];
  const at = (name: string): string => join(outside.path, 'walk', name);
  let standalone: RunningStandalone;
  let witness: Program;
  let ask: Ask;
  let actionId: string;
  let runs = 0;
  let witnessUrl: string;

  /** As the guide writes it: from the folder, with nothing of this repository in reach. */
  const follow = (program: string, ...argv: string[]): { code: number | null; out: string } => {
    const { status, stdout, stderr } = spawnSync(program === 'node' ? process.execPath : program, argv, { cwd: at(''), env: { PATH: process.env['PATH'] ?? '', HOME: join(outside.path, 'home') }, encoding: 'utf8' });
    return { code: status, out: stdout + stderr };
  };
  const propose = async (): Promise<string> => {
    const proposal = { scope_path: standalone.credentials.scope_path, run_id: `run-${(runs += 1)}`, action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1.0' }, target: 'customer@example.com', arguments: { to: 'customer@example.com', subject: CANARY, text: CANARY }, environment: 'prod', reasoning: CANARY, reversal: { reason: 'A sent mail cannot be taken back.' }, execution_mode: 'self' };
    const { status, body } = await ask<{ action_id: string; approval_id: string }>(standalone.credentials.agent, 'POST /v1/actions', proposal);
    expect(status).toBe(201);
    const card = await until(() => ask<{ view_hash: string }>(standalone.credentials.approver, `GET /v1/approvals/${body.approval_id}`), (answer) => answer.status === 200, 'the card');
    expect((await ask(standalone.credentials.approver, `POST /v1/approvals/${body.approval_id}/reject`, { view_hash: card.body.view_hash, reason_code: 'wrong_target', reason: CANARY, instruction: 'abort' }, { 'if-match': card.headers.get('etag') ?? '' })).status).toBe(200);
    return body.action_id;
  };
  const cosignedReceipt = (id: string, query = ''): Promise<{ bytes: string }> =>
    until(() => ask(standalone.credentials.auditor, `GET /v1/receipts/${id}${query}`), ({ bytes, body }) => body['ended'] === true && bytes.includes('witness.test/1') && !bytes.includes('"pending":true'), 'a receipt under a cosigned head');

  const exported = async (): Promise<string> => {
    const answer = await fetch(`${standalone.origin}/v1/exports`, { method: 'POST', headers: { authorization: `Bearer ${standalone.credentials.auditor}`, 'content-type': 'application/json', 'idempotency-key': `export-${performance.now()}` }, body: '{}' });
    expect(answer.status).toBe(200);
    return answer.text();
  };

  /** Taken as a file and again while the verifier finds nothing wrong with it but cannot judge all: the log and its witness go on by themselves. */
  const judged = async (name: string, take: () => Promise<string>): Promise<string> => {
    const judgement = async (): Promise<{ text: string; code: number | null }> => {
      const text = await take();
      writeFileSync(at(name), text);
      return { text, code: follow('node', 'verifier/audit-verify.mjs', name, '--trusted-keys', 'keys.json', '--witness', 'witness.key').code };
    };
    return (await until(judgement, ({ code }) => code !== 2, 'an export that can be judged to its end')).text;
  };

  /** `exequatur export --content`, as the guide lets the others take it. Returns the export that is in it. */
  const archive = async (): Promise<string> => {
    const answer = await fetch(`${standalone.origin}/v1/exports`, { method: 'POST', headers: { authorization: `Bearer ${standalone.credentials.auditor}`, 'content-type': 'application/json', 'idempotency-key': `archive-${performance.now()}` }, body: JSON.stringify({ format: 'archive', content: true }) });
    expect(answer.status).toBe(200);
    writeFileSync(at('acme.tar'), Buffer.from(await answer.arrayBuffer()));
    return spawnSync('tar', ['-xOf', at('acme.tar'), 'export.jsonl'], { encoding: 'utf8', maxBuffer: 64 << 20 }).stdout;
  };

  beforeAll(async () => {
    for (const folder of ['walk', 'home']) mkdirSync(join(outside.path, folder));
    expect(spawnSync(process.execPath, [join(root, 'tools/pack-verifier.mjs'), at('verifier')], { encoding: 'utf8' }).status).toBe(0);
    const { code, out } = follow('node', 'verifier/witness.mjs', 'init', '--state', 'state', '--name', 'witness.test/1');
    expect(code).toBe(0);
    writeFileSync(at('witness.key'), out);
    const port = await freePort();
    process.env['EXEQUATUR_WITNESSES'] = JSON.stringify([{ url: `http://127.0.0.1:${port}`, key: out.trim() }]);
    process.env['EXEQUATUR_TILES_DIR'] = join(installation.path, 'tiles');
    standalone = await startStandalone(join(installation.path, 'data'));
    ask = askingAt(standalone.origin);
    copyFileSync(join(standalone.dataDir, 'secrets', 'trusted-keys.json'), at('keys.json'));
    const keys = (JSON.parse(readFileSync(at('keys.json'), 'utf8')) as TrustedKeys)['audit'] ?? [];
    writeFileSync(at('logs.json'), JSON.stringify([{ origin: 'exequatur/acme', keys: keys.map(({ jwk }) => jwk) }]));
    // The witness comes later than the log: until then nothing is cosigned, and nothing waits.
    actionId = await propose();
    const child = spawn(process.execPath, ['verifier/witness.mjs', 'serve', '--state', 'state', '--logs', 'logs.json', '--port', String(port)], { cwd: at(''), stdio: 'ignore' });
    witness = { child, output: { stdout: '', stderr: '' }, ended: new Promise((resolve) => child.once('close', (exit, signal) => resolve({ code: exit, signal, stdout: '', stderr: '' }))) };
    writeFileSync(at('receipt.json'), (await cosignedReceipt(actionId, '?content=true')).bytes);
    witnessUrl = `http://127.0.0.1:${port}`;
    // The head first: the log goes on by itself, and an export taken before a head may end before it.
    writeFileSync(at('head.txt'), await (await fetch(`${witnessUrl}/heads/${nameOfLog('exequatur/acme')}`)).text());
    await judged('export.jsonl', exported);
  }, SLOW);
  afterAll(async () => {
    delete process.env['EXEQUATUR_WITNESSES'];
    delete process.env['EXEQUATUR_TILES_DIR'];
    witness.child.kill('SIGTERM');
    await witness.ended;
    await standalone.interrupt();
    installation.remove();
    outside.remove();
  }, SLOW);

  test('the whole log is valid, witnessed to its end', () => {
    const { code, out } = follow('node', 'verifier/audit-verify.mjs', 'export.jsonl', '--trusted-keys', 'keys.json', '--witness', 'witness.key', '--tree-head', 'head.txt');
    expect([out, code]).toEqual([expect.stringMatching(/^VALID[\s\S]*witness {6}witness\.test\/1: \d+ leaves/), 0]);
  });

  test(havePython ? 'the second verifier says the same' : 'left out: the second, independent verifier (needs python3)', () => {
    if (!havePython) return;
    const { code, out } = follow('python3', '-B', 'verifier/verify_export.py', '--trusted-keys', 'keys.json', '--witness', readFileSync(at('witness.key'), 'utf8').trim(), '--tree-head', 'head.txt', 'export.jsonl');
    expect([out, code]).toEqual([expect.stringContaining('"result": "valid"'), 0]);
  });

  test('one receipt is valid alone, its card and arguments recomputed', () => {
    const { code, out } = follow('node', 'verifier/audit-verify.mjs', 'receipt', 'receipt.json', '--trusted-keys', 'keys.json', '--witness', 'witness.key');
    expect([out, code]).toEqual([expect.stringMatching(/^VALID[\s\S]*outcome {6}rejected/), 0]);
    writeFileSync(at('lies.json'), readFileSync(at('receipt.json'), 'utf8').replaceAll(CANARY, 'something-else-of-note-1234'));
    expect(follow('node', 'verifier/audit-verify.mjs', 'receipt', 'lies.json', '--trusted-keys', 'keys.json').code).toBe(1);
  });

  test('a changed export is invalid to both', () => {
    const text = readFileSync(at('export.jsonl'), 'utf8');
    writeFileSync(at('changed.jsonl'), text.replace(/"bytes_b64":"eyJzcGVj/, '"bytes_b64":"eyJzcGVk'));
    expect(follow('node', 'verifier/audit-verify.mjs', 'changed.jsonl', '--trusted-keys', 'keys.json').code).toBe(1);
    if (havePython) expect(follow('python3', '-B', 'verifier/verify_export.py', '--trusted-keys', 'keys.json', 'changed.jsonl').code).toBe(1);
  });

  test(havePython ? 'the guide as it stands: each of its commands, in an empty folder' : 'left out: the guide as it stands (needs python3)', async () => {
    if (!havePython) return;
    const folder = join(outside.path, 'literally');
    mkdirSync(folder);
    spawnSync('cp', ['-r', at('verifier'), at('keys.json'), at('witness.key'), folder]);
    const guide = readFileSync(join(root, 'docs/guides/audit.md'), 'utf8');
    const numbered = guide.slice(guide.indexOf('## 1. '), guide.indexOf('## What only a witness shows'));
    const blocks = [...numbered.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, commands = '']) => commands);
    expect(blocks).toHaveLength(6);
    // The home is empty, and nothing else of the environment is there but where programs are, and the witness's address.
    const bin = join(process.execPath, '..');
    const step = (commands: string): SpawnSyncReturns<string> => spawnSync('sh', ['-eu', '-c', commands], { cwd: folder, env: { PATH: `${bin}:${process.env['PATH'] ?? ''}`, HOME: join(outside.path, 'home'), WITNESS: witnessUrl }, encoding: 'utf8', timeout: 240_000 });
    const asked = step(blocks[0] ?? '');
    await judged('archived.jsonl', archive);
    copyFileSync(at('acme.tar'), join(folder, 'acme.tar'));
    const walk = [asked, ...blocks.slice(1).map(step)];
    expect(walk.map(({ status, stderr }) => [status, stderr])).toEqual(blocks.map(() => [0, '']));
    const said = walk.map(({ stdout }) => stdout);
    expect([said[2], said[4]]).toEqual([expect.stringMatching(/^VALID/), expect.stringMatching(/^VALID[\s\S]*outcome {6}rejected/)]);
    expect(said[3]).toContain('"result": "valid"');
    // What is hashed there is what the events name.
    const hashes = (said[5] ?? '').trimEnd().split('\n').map((line) => line.slice(0, 64));
    const log = readFileSync(join(folder, 'acme/export.jsonl'), 'utf8').split('\n').flatMap((line) => /"bytes_b64":"([^"]+)"/.exec(line)?.[1] ?? []).map((text) => Buffer.from(text, 'base64').toString('utf8')).join('\n');
    for (const hash of hashes) expect(log).toContain(`sha256:${hash}`);
  }, SLOW);

  test('the packed folder holds nothing of a service', () => {
    const { out } = follow('find', 'verifier/node_modules', '-maxdepth', '2', '-mindepth', '1', '-name', '*');
    expect(out).not.toMatch(/service-kit|event-store|messaging|audit-projector|nestjs|\/pg/);
  });

  test('invariant 29: after erasure nobody reads what was sealed, later exports and receipts hold nothing of it, and verify', async () => {
    const id = await propose();
    expect((await cosignedReceipt(id, '?content=true')).bytes).toContain(CANARY);
    expect((await ask(standalone.adminToken, 'POST /v1/log/erasures', { tenant: 'acme', action_id: id, reason: 'request 1' })).status).toBe(200);
    const after = await cosignedReceipt(id, '?content=true');
    expect([after.bytes.includes(CANARY), after.bytes.includes('"erased":true')]).toEqual([false, true]);
    const log = await judged('after.jsonl', exported);
    const opened = log.split('\n').flatMap((line) => /"bytes_b64":"([^"]+)"/.exec(line)?.[1] ?? []).map((text) => Buffer.from(text, 'base64').toString('utf8'));
    expect(opened.filter((event) => event.includes(CANARY))).toEqual([]);
    expect(follow('node', 'verifier/audit-verify.mjs', 'after.jsonl', '--trusted-keys', 'keys.json', '--witness', 'witness.key').out).toMatch(/^VALID/);
  }, SLOW);
});
