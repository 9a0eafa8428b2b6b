import { describe, expect, test } from '@jest/globals';
import type { RunLimits } from '@exequatur/contracts';
import { decideReserve } from './decide-reserve.js';
import type { ReserveDecision } from './decide-reserve.js';
import type { ReserveQuestion } from './reserve-question.js';
import { aQuestion, NOW } from './reserve-question.fixture.js';
import { runBudgetIdOf, runScopePath } from './run-limits.js';
import type { RunNow } from './run-limits.js';

const limited = (run: RunLimits, changes: Partial<ReserveQuestion> = {}): ReserveQuestion => aQuestion({ policy: { version: 3, hash: `sha256:${'d'.repeat(64)}`, opinionOn: () => ({ verdict: 'DENY' }), limits: { run } }, run: { startedAtMs: undefined, budgets: [] }, ...changes });
const limitOf = (decision: ReserveDecision): string => (decision.held ? 'held' : `${decision.code} ${decision.data.refused_by}`);
const runAfter = (decision: ReserveDecision): RunNow => {
  if (!decision.held) throw new Error(decision.code);
  return { startedAtMs: decision.runStartedAtMs, budgets: decision.budgets.filter(({ window }) => window === 'run') };
};

describe('limits on a run', () => {
  test('the first claim makes the budgets of the run, and says when it began', () => {
    const decision = decideReserve(limited({ max_steps: 25, max_tool_calls: 12, max_usd: '1000' }));
    expect(decision).toMatchObject({ held: true, runStartedAtMs: NOW, data: { run_started_at: '2026-01-31T08:00:00.000Z' } });
    const holds = decision.held ? decision.data.holds.filter(({ run_limit }) => run_limit !== undefined) : [];
    expect(holds).toMatchObject([
      { budget_id: runBudgetIdOf('acme', 'mailer-agent', 'run-1', 'max_steps', NOW), unit: 'STEPS', amount: '1', entry_no: 1, held: '1', cap: '25', run_limit: 'max_steps' },
      { unit: 'CALLS', amount: '1', cap: '12', run_limit: 'max_tool_calls' },
      { unit: 'USD_MICROCENTS', amount: '500', cap: '1000', run_limit: 'max_usd' },
    ]);
    expect(decision.held ? decision.budgets.at(-1)?.scopePath : '').toBe('tenant:acme/agent:mailer-agent/run:run-1');
  });
  test('invariant 7: the claim past a limit is refused, and says which to operators only', () => {
    for (const [limits, name] of [[{ max_steps: 2 }, 'max_steps'], [{ max_tool_calls: 2 }, 'max_tool_calls'], [{ max_usd: '1499' }, 'max_usd']] as const) {
      let run: RunNow | undefined;
      const seen = [1, 2, 3].map(() => {
        const decision = decideReserve(limited(limits, run === undefined ? {} : { run }));
        if (decision.held) run = runAfter(decision);
        return limitOf(decision);
      });
      expect(seen).toEqual(['held', 'held', `RUN_LIMIT_EXCEEDED ${name}`]);
    }
  });
  test('invariant 27: limits without the state they are judged on refuse', () => {
    const { run: _, ...unloaded } = limited({ max_steps: 25 });
    expect(limitOf(decideReserve(unloaded))).toBe('RUN_LIMIT_EXCEEDED undefined');
  });
  test('max_seconds counts from the first claim', () => {
    const at = (nowMs: number) => limitOf(decideReserve(limited({ max_seconds: 60 }, { nowMs, run: { startedAtMs: NOW, budgets: [] } })));
    expect([at(NOW), at(NOW + 59_999), at(NOW + 60_000)]).toEqual(['held', 'held', 'RUN_LIMIT_EXCEEDED max_seconds']);
    expect(limitOf(decideReserve(limited({ max_seconds: 0 })))).toBe('RUN_LIMIT_EXCEEDED max_seconds');
  });
  test('a newer policy tightens a run that is under way, and loosens it', () => {
    const first = runAfter(decideReserve(limited({ max_steps: 5 })));
    expect(limitOf(decideReserve(limited({ max_steps: 1 }, { run: first })))).toBe('RUN_LIMIT_EXCEEDED max_steps');
    const loosened = decideReserve(limited({ max_steps: 9 }, { run: first }));
    expect(loosened.held && loosened.data.holds.at(-1)).toMatchObject({ cap: '9', held: '2', entry_no: 2 });
  });
  test('a caller may say how many steps and calls it takes', () => {
    const decision = decideReserve(limited({ max_steps: 5 }, { request: { ...aQuestion().request, amounts: [{ unit: 'STEPS', amount: '6' }] }, budgets: [...aQuestion().budgets, { budgetId: 'b', scopePath: 'tenant:acme', unit: 'STEPS', cap: 10n, held: 0n, committed: 0n, entryNo: 1 }] }));
    expect(limitOf(decision)).toBe('RUN_LIMIT_EXCEEDED max_steps');
  });
  test('names that no path can hold never share a run', () => {
    const paths = ['run:1', 'run@1', 'x-1', 'run.1'].map((run) => runScopePath('acme', 'a', run));
    expect(new Set(paths).size).toBe(4);
    for (const path of paths) expect(path).toMatch(/^tenant:acme\/agent:a\/run:[A-Za-z0-9._-]{1,128}$/);
  });
});
