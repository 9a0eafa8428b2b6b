import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Report } from '../report.js';
import { exportLines, noteOver, publicJwkOf, trustedKeys } from '../spec/sample-log.contract.js';
import type { SampleLeaf } from '../spec/sample-log.contract.js';
import { wholeStory } from '../spec/story.contract.js';
import { run } from './run.js';

describe('audit-verify as a program', () => {
  const directory = mkdtempSync(join(tmpdir(), 'audit-verify-'));
  const file = (name: string): string => join(directory, name);
  let leaves: readonly SampleLeaf[];

  beforeAll(async () => {
    leaves = (await wholeStory()).log.leaves;
    const lines = exportLines(leaves);
    writeFileSync(file('good.jsonl'), `${lines.join('\n')}\n`);
    const bad = leaves.map((leaf) => (leaf.sequence === 9 ? { ...leaf, bytes_b64: leaf.bytes_b64.replace(/^eyJ/, 'eyK') } : leaf));
    writeFileSync(file('bad.jsonl'), `${[lines[0], ...bad.map((leaf) => JSON.stringify(leaf)), ...lines.slice(leaves.length + 1)].join('\n')}\n`);
    writeFileSync(file('cut.jsonl'), lines.slice(0, 30).join('\n'));
    writeFileSync(file('other.txt'), 'hello\nworld\n');
    writeFileSync(file('binary'), Buffer.from([0xff, 0xfe, 0x0a]));
    writeFileSync(file('long.jsonl'), Buffer.alloc(20 * 1024 * 1024, 0x20));
    writeFileSync(file('keys.json'), JSON.stringify(trustedKeys));
    writeFileSync(file('foreign-keys.json'), JSON.stringify({ ...trustedKeys, policy: [{ kid: 'policy-other', jwk: publicJwkOf('executor') }] }));
    writeFileSync(file('log-key.json'), JSON.stringify(publicJwkOf('audit')));
    writeFileSync(file('no-keys.json'), '{"policy":');
    writeFileSync(file('head.txt'), noteOver(leaves, 20));
    writeFileSync(file('later-head.txt'), noteOver([...leaves, ...leaves], leaves.length * 2));
  });
  afterAll(() => rmSync(directory, { recursive: true, force: true }));

  const verify = async (...argv: string[]): Promise<{ code: number; out: string; err: string }> => {
    const said = { out: '', err: '' };
    const code = await run(argv, { out: (text) => (said.out += text), err: (text) => (said.err += text) });
    return { code, ...said };
  };
  const pinned = ['--trusted-keys', file('keys.json'), '--log-key', file('log-key.json')];

  test('0: a good export, with pinned keys and a tree head seen before', async () => {
    const { code, out, err } = await verify(file('good.jsonl'), ...pinned, '--tree-head', file('head.txt'), '--settle', '0');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(/^VALID/);
    expect(out).toContain('pinned by you');
  });

  test('0, and says so, with the keys of the export itself', async () => {
    const { code, out } = await verify(file('good.jsonl'), '--settle', '0');
    expect(code).toBe(0);
    expect(out).toContain('note: no keys were pinned');
  });

  test('1: a changed byte, with its leaf', async () => {
    const { code, out } = await verify(file('bad.jsonl'), ...pinned);
    expect(code).toBe(1);
    expect(out).toMatch(/^INVALID/);
    expect(out).toMatch(/leaf 9 +(invariant 25|format)/);
  });

  test('--json gives the whole report', async () => {
    const { code, out } = await verify(file('bad.jsonl'), ...pinned, '--json');
    const report = JSON.parse(out) as Report;
    expect([code, report.result, report.keys]).toEqual([1, 'invalid', 'pinned']);
    expect(report.violations.map(({ sequence }) => sequence)).toContain(9);
  });

  test.each([
    ['cut short', 'cut.jsonl', []],
    ['under keys that are not its services’', 'good.jsonl', ['--trusted-keys', 'foreign-keys.json']],
    ['without the leaves of a head seen before', 'good.jsonl', ['--trusted-keys', 'keys.json', '--tree-head', 'later-head.txt']],
  ])('1: %s', async (_, name, [...options]: string[]) => {
    expect((await verify(file(name), ...options.map((each) => (each.startsWith('--') ? each : file(each))))).code).toBe(1);
  });

  test.each([
    ['a file that is no export', ['other.txt']],
    ['a file that is not there', ['nothing.jsonl']],
    ['a file that is no text', ['binary']],
    ['a line without end', ['long.jsonl']],
    ['keys that are no JSON', ['good.jsonl', '--trusted-keys', 'no-keys.json']],
  ])('2: %s', async (_, argv) => {
    const { code, out, err } = await verify(...argv.map((each) => (each.startsWith('--') ? each : file(each))));
    expect(code).toBe(2);
    expect(out + err).not.toBe('');
  });

  test.each([[[]], [['--unknown']], [[file('good.jsonl'), '--settle', 'soon']]])('2: wrong arguments %j', async (argv) => {
    expect(await verify(...argv)).toMatchObject({ code: 2, out: '' });
  });

  test('0: --help', async () => {
    const { code, out } = await verify('--help');
    expect([code, out.includes('--trusted-keys')]).toEqual([0, true]);
  });
});
