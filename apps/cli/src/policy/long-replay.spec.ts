import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { PolicyFacts, Verdict } from '@exequatur/contracts';
import type { ReplayReport } from '@exequatur/policy-domain';
import { run } from '../index.js';

const LONG = process.env['EXEQUATUR_LONG'] === '1';
const QUIET = process.env['EXEQUATUR_QUIET'] === '1';
/** EXEQUATUR_LONG=1 replays as many as the promise names. */
const ACTIONS = LONG ? 100_000 : 5_000;
/** On one core, with the file read and every record checked. */
const PER_SECOND = 20_000;

/** Limits in cents, so that the oracle below computes in whole numbers of its own. */
const policyText = (small: number, bulk: string, mail: string): string => `
version: 1
classes:
  money: { kinds: [payment.refund], default: require_approval }
  reads: { kinds: [crm.read], default: allow }
  mails: { kinds: [message.email.send], default: ${mail} }
tools:
  billing: { kind: payment.refund, extract: { amount.USD: /amount } }
rules:
  - { id: small, match: { kind: payment.refund }, when: "amount('USD') <= money('${(small / 100).toFixed(2)}', 'USD') && has(action.environment) && action.environment == 'prod'", decision: allow }
  - { id: bulk, match: { risk_tags: [bulk] }, decision: ${bulk} }
  - { id: dev, match: { kind: [crm.read, message.email.send], env: [dev] }, decision: allow, tier: log }
`;

interface Action {
  readonly id: string;
  readonly kind: string;
  readonly cents: number;
  readonly isBulk: boolean;
  readonly environment: 'prod' | 'dev' | undefined;
}

/** What a policy of this form comes to, written down by hand: by the words of docs/reference/policy-file.md, without its code. */
const oracle = (small: number, bulk: Verdict, mail: Verdict) => ({ kind, cents, isBulk, environment }: Action): { readonly verdict: Verdict; readonly rule: string; readonly isLogged: boolean } => {
  const order: readonly Verdict[] = ['ALLOW', 'ALLOW_WITH_CAPS', 'REQUIRE_APPROVAL', 'QUARANTINE', 'DENY'];
  const said: { verdict: Verdict; rule: string; isLogged: boolean }[] = [];
  const say = (verdict: Verdict, rule: string, isLogged = false): void => void said.push({ verdict, rule, isLogged });
  const isRegistered = ['payment.refund', 'crm.read', 'message.email.send'].includes(kind);
  if (kind === 'payment.refund' && cents <= small && environment === 'prod') say('ALLOW', 'small');
  if (isBulk) say(bulk, 'bulk');
  if (kind !== 'payment.refund' && isRegistered && environment === 'dev') say('ALLOW', 'dev', true);
  if (said.length === 0 || !isRegistered) {
    if (!isRegistered) say('QUARANTINE', 'default:unknown');
    else if (kind === 'payment.refund') say('REQUIRE_APPROVAL', 'class:money');
    else if (kind === 'crm.read') say('ALLOW', 'class:reads');
    else say(mail, 'class:mails');
  }
  // A rule over the environment cannot be judged where none is known.
  if (kind !== 'payment.refund' && isRegistered && environment === undefined) say('QUARANTINE', 'dev');
  const strictest = Math.max(...said.map(({ verdict }) => order.indexOf(verdict)));
  const winning = said.filter(({ verdict }) => order.indexOf(verdict) === strictest);
  return { verdict: order[strictest] ?? 'DENY', rule: [...new Set(winning.map(({ rule }) => rule))].sort().join('+'), isLogged: winning.some(({ isLogged }) => isLogged) };
};

/** A linear congruential generator: the same actions in every run. */
const draw = (seed: number): ((below: number) => number) => {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

const recorded = (): readonly Action[] => {
  const next = draw(20_261_120);
  const kinds = ['payment.refund', 'crm.read', 'message.email.send', 'unknown.call'];
  return Array.from({ length: ACTIONS }, (_, nth) => ({ id: `a-${nth}`, kind: kinds[next(4)] ?? '', cents: next(15_000), isBulk: next(8) === 0, environment: ([undefined, 'prod', 'dev'] as const)[next(3)] }));
};

const factsOf = ({ kind, cents, isBulk, environment }: Action): PolicyFacts => ({
  tenant: 'acme', scope_path: 'tenant:acme', agent: 'bot', run_id: 'run-1', action_kind: kind, tool: { name: kind === 'payment.refund' ? 'billing' : 'other', version: '1.0' },
  risk_tags: isBulk ? ['bulk'] : [], risk_points: 1, amounts: kind === 'payment.refund' ? [{ unit: 'USD_MICROCENTS', amount: String(cents * 1_000_000) }] : [], has_evidence: false, has_reversal: false, execution_mode: 'managed',
  ...(environment === undefined ? {} : { environment }),
});

describe(`a replay of ${ACTIONS} recorded actions`, () => {
  let directory: string;
  let log: string;
  const actions = recorded();
  beforeAll(() => {
    directory = mkdtempSync(join(tmpdir(), 'exequatur-replay-'));
    log = write('log.jsonl', actions.map((action) => JSON.stringify({ type: 'dev.exequatur.actions.ActionProposed.v1', subject: action.id, data: { facts: factsOf(action) } })).join('\n'));
  });
  afterAll(() => rmSync(directory, { recursive: true }));

  const write = (name: string, content: string): string => {
    writeFileSync(join(directory, name), content);
    return join(directory, name);
  };
  const replay = async (candidate: string, against: string): Promise<ReplayReport> => {
    let out = '';
    const exit = await run(['policy', 'replay', log, '-p', candidate, '--against', against, '--json'], { out: (text) => (out += text), err: () => undefined, env: {} });
    expect(exit).toBe(0);
    return JSON.parse(out) as ReplayReport;
  };

  test('P6: under the same policy nothing changes', async () => {
    const active = write('active.yaml', policyText(4_200, 'deny', 'allow'));
    const began = process.cpuUsage();
    expect(await replay(active, active)).toMatchObject({ total: ACTIONS, relaxed: 0, tightened: 0, unchanged: ACTIONS, changes: [] });
    const { user, system } = process.cpuUsage(began);
    const perSecond = Math.round((ACTIONS * 1_000_000) / (user + system));
    console.log(`${ACTIONS} actions under two policies: ${perSecond} actions a second of processor time`);
    if (QUIET && LONG) expect(perSecond).toBeGreaterThan(PER_SECOND);
  }, 120_000);

  test('P6: under a candidate the difference is that of an oracle, action by action', async () => {
    const active = write('active.yaml', policyText(4_200, 'deny', 'allow'));
    const candidate = write('candidate.yaml', policyText(9_900, 'quarantine', 'require_approval'));
    const [before, after] = [oracle(4_200, 'DENY', 'ALLOW'), oracle(9_900, 'QUARANTINE', 'REQUIRE_APPROVAL')];
    const order: readonly Verdict[] = ['ALLOW', 'ALLOW_WITH_CAPS', 'REQUIRE_APPROVAL', 'QUARANTINE', 'DENY'];
    const changeOf = (action: Action): 'relaxed' | 'tightened' | 'unchanged' => {
      const [was, is] = [before(action), after(action)];
      const step = order.indexOf(is.verdict) - order.indexOf(was.verdict);
      if (step !== 0) return step < 0 ? 'relaxed' : 'tightened';
      return was.isLogged === is.isLogged ? 'unchanged' : is.isLogged ? 'tightened' : 'relaxed';
    };
    const expected = { relaxed: 0, tightened: 0, unchanged: 0 };
    const by = { kind: {} as Record<string, Record<string, number>>, rule: {} as Record<string, Record<string, number>> };
    const count = (group: Record<string, Record<string, number>>, key: string, change: string): void => {
      const counts = (group[key] ??= { relaxed: 0, tightened: 0, unchanged: 0 });
      counts[change] = (counts[change] ?? 0) + 1;
    };
    const changed: object[] = [];
    for (const action of actions) {
      const change = changeOf(action);
      expected[change] += 1;
      count(by.kind, action.kind, change);
      count(by.rule, after(action).rule, change);
      if (change !== 'unchanged') changed.push({ action_id: action.id, change, before: before(action).verdict, after: after(action).verdict });
    }
    const report = await replay(candidate, active);
    expect(report).toMatchObject({ total: ACTIONS, ...expected, by_kind: by.kind, by_rule: by.rule });
    expect(report.changes.map(({ action_id, change, before: was, after: is }) => ({ action_id, change, before: was.verdict, after: is.verdict }))).toEqual(changed.slice(0, report.changes.length));
    expect([report.changes.length > 100, expected.relaxed > 100, expected.tightened > 100]).toEqual([true, true, true]);
  }, 120_000);
});
