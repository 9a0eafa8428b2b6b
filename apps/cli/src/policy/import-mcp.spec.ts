import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { policyFile, registeredKinds } from '@exequatur/policy-domain';
import { policyLanguages, readPolicyText } from '@exequatur/policy-languages';
import { run } from '../index.js';
import { askedPolicy, rulingOn } from './asked-policy.js';

let directory: string;
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'exequatur-mcp-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

const imported = async (content: unknown, ...options: string[]): Promise<{ exit: number; out: string; err: string }> => {
  const file = join(directory, 'tools.json');
  writeFileSync(file, JSON.stringify(content));
  let [out, err] = ['', ''];
  const exit = await run(['policy', 'import-mcp', file, ...options], { out: (text) => (out += text), err: (text) => (err += text), env: {} });
  return { exit, out, err };
};

const tools = [
  { name: 'read_file', description: 'Reads', inputSchema: { $schema: 'http://json-schema.org/draft-07/schema#', type: 'object', properties: { path: { type: 'string' } }, required: ['path'] }, annotations: { title: 'Read', readOnlyHint: true, destructiveHint: false } },
  { name: 'delete_file', inputSchema: { type: 'object' }, annotations: { destructiveHint: true, openWorldHint: true } },
  { name: 'plain', inputSchema: { type: 'object', properties: { at: { format: 'date' } } } },
];

test('what tools/list answers becomes a tool table that a policy takes, with hints that add risk and kinds nobody has allowed', async () => {
  const { exit, out, err } = await imported({ jsonrpc: '2.0', id: 1, result: { tools } });
  expect([exit, err]).toEqual([0, 'plain: its schema must not use format; its arguments are not checked\n']);
  const file = policyFile(`version: 1\nclasses: { safe: { kinds: [mcp.read_file], default: allow } }\n${out}`, readPolicyText, policyLanguages);
  if (!file.ok) throw new Error(JSON.stringify(file.findings));
  const { policy } = file;
  expect(registeredKinds(policy)).toEqual(['mcp.delete_file', 'mcp.plain', 'mcp.read_file']);
  expect(policy.tools).toMatchObject({ read_file: { kind: 'mcp.read_file', arguments: { required: ['path'] } }, delete_file: { risk_tags: ['mcp:destructive', 'mcp:open-world'] } });
  expect(policy.tools['read_file']?.risk_tags).toBeUndefined();
  const ask = (name: string, args: object): string => rulingOn(askedPolicy(policy), 'acme', 'bot', { scope_path: 'tenant:acme', run_id: 'r', action_kind: `mcp.${name}`, tool: { name, version: '1' }, arguments: args as { path: string }, execution_mode: 'self' }).ruling.verdict;
  expect([ask('read_file', { path: '/x' }), ask('read_file', {}), ask('delete_file', {}), ask('plain', {})]).toEqual(['ALLOW', 'QUARANTINE', 'QUARANTINE', 'QUARANTINE']);
});

test('what is no tool list, or has no name for a policy, is told', async () => {
  expect(await imported({ hello: 1 })).toMatchObject({ exit: 1, err: expect.stringContaining('must be what tools/list answers') });
  expect(await imported([{ name: 'a b' }, { name: 'ok' }], '--kinds', 'files.')).toMatchObject({ exit: 1, err: '"a b" is no name that a policy can have; the tool is left out\n', out: expect.stringContaining('  ok: {"kind":"files.ok"}') });
});
