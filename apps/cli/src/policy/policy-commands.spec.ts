import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { deriveFacts } from '@exequatur/policy-domain';
import { policyLanguages } from '@exequatur/policy-languages';
import { run } from '../index.js';
import { readPolicy } from './read-files.js';

const payments = resolve(import.meta.dirname, '../../../../packs/payments/policy.yaml');

describe('exequatur policy', () => {
  let directory: string;
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'exequatur-cli-'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const file = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const policy = async (...args: string[]): Promise<{ exit: number; out: string; err: string }> => {
    let [out, err] = ['', ''];
    const exit = await run(['policy', ...args], { out: (text) => (out += text), err: (text) => (err += text), env: {} });
    return { exit, out, err };
  };
  const small = () => file('small.yaml', 'version: 1\nclasses:\n  money: { kinds: [payment.refund], default: require_approval }\nrules:\n  - { id: tiny, match: { kind: payment.refund }, when: "amount(\'USD\') < money(\'1.00\', \'USD\')", decision: allow }\n  - { id: odd, match: { kind: payment.refund, agent: nobody }, decision: deny }\ntools:\n  t: { kind: payment.refund, extract: { amount.USD: /amount } }\n');

  test('lint: all faults with file, line and column; none: exit 0', async () => {
    const faulty = file('faulty.yaml', 'version: 1\nclases: {}\nrules:\n  - { id: a, match: {}, when: "action.kindd == 1", decision: permit }\n');
    const { exit, out } = await policy('lint', faulty, small());
    expect(exit).toBe(1);
    expect(out.split('\n').slice(0, 4)).toEqual([
      `${faulty}:2:1: unknown key "clases"; did you mean "classes"? (/clases)`,
      `${faulty}:4:39: is not a condition: No such key: kindd (/rules/0/when)`,
      `${faulty}:4:52: must be one of allow, allow_with_caps, require_approval, quarantine, deny (/rules/0/decision)`,
      '2 files, 3 faults',
    ]);
    expect(await policy('lint', small())).toMatchObject({ exit: 0, out: '1 file, 0 faults\n' });
    expect(JSON.parse((await policy('lint', '--json', faulty)).out)).toMatchObject([{ findings: [{ line: 2, column: 1 }, { line: 4 }, { line: 4 }] }]);
  });

  test('test: a failing case fails the command with a readable difference; rules nobody would miss are named', async () => {
    small();
    const cases = file('cases.yaml', 'policy: small.yaml\ndefaults: { action_kind: payment.refund, tool: t@1 }\ncases:\n  - name: tiny <one>\n    propose: { arguments: { amount: "0.50" } }\n    expect: { verdict: REQUIRE_APPROVAL, rule: tiny, event: { name: ActionAllowed, tier: LOG } }\n  - name: large\n    propose: { arguments: { amount: "50" } }\n    expect: { verdict: REQUIRE_APPROVAL }\n');
    const report = join(directory, 'report.xml');
    const { exit, out } = await policy('test', cases, '--junit', report);
    expect(exit).toBe(1);
    expect(out).toBe(`${cases}:4: tiny <one>\n  verdict: expected REQUIRE_APPROVAL, got ALLOW\n  event.tier: expected LOG, got AUTO\n${cases}: 1 passed, 1 failed, 1 of 2 rules matched\n  no case matches odd\n`);
    expect(readFileSync(report, 'utf8')).toContain('tests="2" failures="1"');
    expect(readFileSync(report, 'utf8')).toContain('name="tiny &lt;one&gt;"><failure message="verdict: expected REQUIRE_APPROVAL, got ALLOW">');
    const [result] = JSON.parse((await policy('test', '--json', cases)).out) as { unnoticed: string[] }[];
    expect(result?.unnoticed).toEqual(['odd']);
  });

  test('test: a typo in a file of cases is told with its place', async () => {
    small();
    const cases = file('typo.yaml', 'policy: small.yaml\ncases:\n  - name: a\n    propose: { action_kind: payment.refund, tool: t@1, arguments: {} }\n    expect: { verdit: ALLOW }\n');
    expect(await policy('test', cases)).toMatchObject({ exit: 1, err: `${cases}:5:15: unknown key "verdit"\n` });
  });

  const refund = (amount: string) => ({ scope_path: 'tenant:acme', run_id: 'r', action_kind: 'payment.refund', tool: { name: 'billing.refund', version: '1.0' }, arguments: { account: 'A-7', amount, environment: 'prod' }, reversal: { handle: 'h' }, execution_mode: 'managed' as const });

  test('explain and simulate', async () => {
    const explained = await policy('explain', file('proposal.json', JSON.stringify(refund('42.01'))), '--policy', payments);
    expect(explained.exit).toBe(0);
    expect(explained.out).toContain('REQUIRE_APPROVAL by class:financial');
    expect(explained.out).toContain('  not_matched refund-small (allow_with_caps): when: does not hold');
    expect(explained.out).toContain('  derived     environment = "prod"');
    const simulated = await policy('simulate', file('proposals.jsonl', `${JSON.stringify(refund('42.00'))}\n\n${JSON.stringify({ ...refund('1'), action_kind: 'payment.refunds' })}\n`), '-p', payments);
    expect(simulated.out).toBe('1: payment.refund ALLOW_WITH_CAPS by refund-small\n3: payment.refunds QUARANTINE QUARANTINED_UNKNOWN_KIND by default:unknown+tool:billing.refund\n');
    expect(await policy('explain', file('not.json', '{"run_id": 1}'), '-p', payments)).toMatchObject({ exit: 1, err: expect.stringContaining('must have required property') });
  });

  test('diff by rule', async () => {
    const changed = file('changed.yaml', readFileSync(small(), 'utf8').replace("money('1.00'", "money('2.00'").replace('id: odd', 'id: even'));
    expect((await policy('diff', join(directory, 'small.yaml'), changed)).out).toMatch(/^rule even added\n {2}\+ .*\nrule odd removed\n {2}- .*\nrule tiny changed\n {2}- .*\n {2}\+ .*\n3 differences\n$/);
  });

  test('replay: the same policy changes nothing; a looser one fails where it must not; missing facts are not guessed', async () => {
    const facts = deriveFacts(readPolicy(payments), refund('42.01'), { tenant: 'acme', agent: 'a' }, policyLanguages.schemas).facts;
    const event = { type: 'dev.exequatur.actions.ActionProposed.v1', subject: '0190', data: { facts } };
    const log = file('log.jsonl', `${JSON.stringify(event)}\n${JSON.stringify({ type: 'dev.exequatur.actions.ActionDenied.v1', data: {} })}\n${JSON.stringify(facts)}\n`);
    expect((await policy('replay', log, '-p', payments, '--against', payments, '--fail-on', 'changed')).out).toBe('2 actions: 0 relaxed, 0 tightened, 2 unchanged\n');
    const looser = file('looser.yaml', readFileSync(payments, 'utf8').replaceAll('42.00', '43.00'));
    const { exit, out } = await policy('replay', log, '-p', looser, '--against', payments, '--fail-on', 'relaxed');
    expect(exit).toBe(1);
    expect(out).toContain('2 actions: 2 relaxed, 0 tightened, 0 unchanged\n  kind payment.refund: 2 relaxed, 0 tightened\n  rule refund-small: 2 relaxed, 0 tightened\n  relaxed 0190: REQUIRE_APPROVAL (class:financial) → ALLOW_WITH_CAPS (refund-small)\n');
    const { risk_tags: _gone, ...torn } = facts;
    expect(await policy('replay', file('torn.jsonl', JSON.stringify({ facts: torn })), '-p', payments, '--against', payments)).toMatchObject({ exit: 1, err: expect.stringContaining('torn.jsonl:1: the facts are missing') });
  });

  test('usage: exit 2, help with examples: exit 0', async () => {
    expect((await policy('lint')).exit).toBe(2);
    expect((await policy('replay', 'x', '-p', payments, '--against', payments, '--fail-on', 'never')).exit).toBe(2);
    expect(await policy('lint', join(directory, 'none.yaml'))).toMatchObject({ exit: 2, err: expect.stringContaining('no such file') });
    expect(await policy('lint', '--help')).toMatchObject({ exit: 0, out: expect.stringContaining('Example: exequatur policy lint') });
    expect(await policy('publish', payments, '--reason', 'x')).toMatchObject({ exit: 2, err: expect.stringContaining('EXEQUATUR_URL') });
  });
});
