import { describe, expect, test } from '@jest/globals';
import type { Code } from '@exequatur/contracts';
import { isRefusal } from '@exequatur/kernel';
import { specFor } from '@exequatur/testing';
import { decideBudget, evolveBudget, initialBudget } from './decide-budget.js';
import type { BudgetCommand, BudgetEnded, BudgetEvent } from './decide-budget.js';
import { uncovered } from './budget.js';
import type { Budget } from './budget.js';
import { decideFreeze, evolveFreeze, freezeCovers, initialFreeze } from './freeze.js';
import type { EarlierClaim, FreezeCommand, FreezeEvent, FreezeScope, FreezeSubject } from './freeze.js';
import { id, NOW } from './reserve-question.fixture.js';

describe('budget', () => {
  const budget = specFor<ReturnType<typeof initialBudget>, BudgetCommand, BudgetEvent | BudgetEnded, Code>({ decide: decideBudget, evolve: evolveBudget, initialState: initialBudget });
  const define: BudgetCommand = { type: 'DefineBudget', data: { budgetId: id(1), scopePath: 'tenant:acme', unit: 'RISK_POINTS', cap: 10n } };
  const defined: BudgetEvent = { type: 'BudgetDefined', data: { budget_id: id(1), scope_path: 'tenant:acme', unit: 'RISK_POINTS', cap: '10', entry_no: 1 } };
  const adjust = (cap: bigint, reason = 'new quarter'): BudgetCommand => ({ type: 'AdjustBudget', data: { cap, reason } });
  const adjusted = (cap: string, entryNo: number): BudgetEvent => ({ type: 'BudgetAdjusted', data: { budget_id: id(1), cap, held: '0', committed: '0', entry_no: entryNo, reason: 'new quarter' } });

  test('is defined once', () => {
    budget.given().when(define).then(defined);
    budget.given(defined).when(define).thenRefused('CONFLICT');
  });
  test('is adjusted, and the same adjustment again adds nothing', () => {
    budget.given(defined).when(adjust(20n)).then(adjusted('20', 2));
    budget.given(defined, adjusted('20', 2)).when(adjust(20n)).thenNothing();
  });
  test('an adjustment says why, and of what', () => {
    budget.given(defined).when(adjust(20n, ' ')).thenRefused('REASON_REQUIRED');
    budget.given().when(adjust(20n)).thenRefused('NOT_FOUND');
  });
  test('funding adds to the cap and pays what is owed first', () => {
    const fund = (amount: bigint): BudgetCommand => ({ type: 'FundBudget', data: { amount, reason: 'top up' } });
    budget.given(defined).when(fund(5n)).then({ type: 'BudgetAdjusted', data: { budget_id: id(1), cap: '15', held: '0', committed: '0', entry_no: 2, reason: 'top up', added: '5' } });
    budget.given(defined).when(fund(0n)).thenNothing();
    budget.given(defined).when(fund(10n ** 30n)).thenRefused('INVALID');
    const owing = { ...evolveBudget(initialBudget(), defined), committed: 10n, debt: 7n } as ReturnType<typeof initialBudget>;
    expect(decideBudget(fund(5n), owing)).toMatchObject([{ data: { cap: '15', committed: '15', debt: '2' } }]);
    const paid = decideBudget(fund(9n), owing) as readonly BudgetEvent[];
    expect(paid[0]?.data).toMatchObject({ cap: '19', committed: '17' });
    expect(paid.reduce(evolveBudget, owing)).toEqual({ status: 'Defined', budgetId: id(1), scopePath: 'tenant:acme', unit: 'RISK_POINTS', cap: 19n, held: 0n, committed: 17n, entryNo: 2 });
  });
  test('adjusting to the same cap pays debt from room that has come free, and ends over limit', () => {
    const owing = { ...evolveBudget(initialBudget(), defined), committed: 4n, debt: 7n, overLimit: true } as ReturnType<typeof initialBudget>;
    const paid = decideBudget(adjust(10n), owing) as readonly BudgetEvent[];
    expect(paid).toMatchObject([{ data: { cap: '10', committed: '10', debt: '1' } }]);
    const after = paid.reduce(evolveBudget, owing);
    expect(after).not.toHaveProperty('overLimit');
    expect(decideBudget(adjust(10n), after)).toEqual([]);
  });
  test('terms: window, soft limit, overage and overdraft are defined, kept and changed', () => {
    const terms = { window: 'day' as const, softLimit: 8n, overagePolicy: 'allow_with_overdraft' as const, overdraftLimit: 5n };
    const definedWith: BudgetEvent = { type: 'BudgetDefined', data: { ...defined.data as Extract<BudgetEvent, { type: 'BudgetDefined' }>['data'], window: 'day', window_start: '2026-01-31T00:00:00.000Z', soft_limit: '8', overage_policy: 'allow_with_overdraft', overdraft_limit: '5' } };
    budget.given().when({ type: 'DefineBudget', data: { ...define.data as Extract<BudgetCommand, { type: 'DefineBudget' }>['data'], ...terms, nowMs: NOW } }).then(definedWith);
    budget.given(definedWith).when({ type: 'AdjustBudget', data: { cap: 10n, reason: 'new quarter', softLimit: null } }).then({ type: 'BudgetAdjusted', data: { budget_id: id(1), cap: '10', held: '0', committed: '0', entry_no: 2, reason: 'new quarter', window_start: '2026-01-31T00:00:00.000Z', overage_policy: 'allow_with_overdraft', overdraft_limit: '5' } });
    budget.given(definedWith).when({ type: 'AdjustBudget', data: { cap: 10n, reason: 'new quarter', softLimit: 8n } }).thenNothing();
    budget.given(definedWith).when({ type: 'AdjustBudget', data: { cap: 7n, reason: 'new quarter' } }).thenRefused('INVALID');
    budget.given(definedWith).when({ type: 'AdjustBudget', data: { cap: 11n, reason: 'new quarter', nowMs: NOW + 86_400_000 } }).then({ type: 'BudgetAdjusted', data: { budget_id: id(1), cap: '11', held: '0', committed: '0', entry_no: 2, reason: 'new quarter', window_start: '2026-02-01T00:00:00.000Z', soft_limit: '8', overage_policy: 'allow_with_overdraft', overdraft_limit: '5' } });
  });
  test('closing is final: nothing more is covered, and closing again adds nothing', () => {
    const close: BudgetCommand = { type: 'CloseBudget', data: { reason: 'pilot over' } };
    const closed: BudgetEnded = { type: 'BudgetClosed', data: { budget_id: id(1), held: '0', committed: '0', cap: '10', entry_no: 2, reason: 'pilot over' } };
    budget.given(defined).when(close).then(closed);
    budget.given(defined, closed).when(close).thenNothing();
    budget.given(defined, closed).when(adjust(20n)).thenRefused('CONFLICT');
    expect(uncovered(evolveBudget(evolveBudget(initialBudget(), defined), closed) as Budget & { status: 'Defined' }, 0n)).toBe('closed');
  });
  test('a cap never goes below what is held and committed', () => {
    const used = { ...evolveBudget(initialBudget(), defined), held: 4n, committed: 3n } as ReturnType<typeof initialBudget>;
    expect(isRefusal(decideBudget(adjust(6n), used))).toBe(true);
    expect(isRefusal(decideBudget(adjust(7n), used))).toBe(false);
  });
});

describe('freeze', () => {
  const freeze = specFor({ decide: decideFreeze, evolve: evolveFreeze, initialState: initialFreeze });
  const apply: FreezeCommand = { type: 'ApplyFreeze', data: { freezeId: id(1), scope: 'agent', value: 'a', reason: 'odd mails', fenceEpoch: 4 } };
  const applied: FreezeEvent = { type: 'FreezeApplied', data: { freeze_id: id(1), scope: 'agent', value: 'a', reason: 'odd mails', fence_epoch: 4 } };
  const quiesce = (...earlierClaims: readonly EarlierClaim[]): FreezeCommand => ({ type: 'QuiesceFreeze', data: { earlierClaims, nowMs: NOW } });
  const quiesced = (...unknown: readonly string[]): FreezeEvent => ({ type: 'FreezeQuiesced', data: { freeze_id: id(1), unknown_reservations: unknown } });
  const lift: FreezeCommand = { type: 'LiftFreeze', data: { reason: 'checked', fenceEpoch: 5 } };
  const lifted: FreezeEvent = { type: 'FreezeLifted', data: { freeze_id: id(1), reason: 'checked', fence_epoch: 5 } };
  const claim = (status: EarlierClaim['status'], executeBy: number): EarlierClaim => ({ reservationId: id(9), status, executeBy });

  test('is applied once, with a reason', () => {
    freeze.given().when(apply).then(applied);
    freeze.given(applied).when(apply).thenRefused('CONFLICT');
    freeze.given().when({ ...apply, data: { ...apply.data, reason: '' } } as FreezeCommand).thenRefused('REASON_REQUIRED');
  });
  test('invariant 16: quiesces only when each earlier claim has ended or is unknown and past its execute_by', () => {
    freeze.given(applied).when(quiesce()).then(quiesced());
    freeze.given(applied).when(quiesce(claim('Unknown', NOW - 1))).then(quiesced(id(9)));
    freeze.given(applied).when(quiesce(claim('Unknown', NOW))).thenNothing();
    freeze.given(applied).when(quiesce(claim('Started', NOW - 1))).thenNothing();
    freeze.given(applied).when(quiesce(claim('Held', NOW - 1))).thenNothing();
    freeze.given(applied, quiesced()).when(quiesce()).thenNothing();
  });
  test('is lifted from either state, once, with a reason', () => {
    freeze.given(applied).when(lift).then(lifted);
    freeze.given(applied, quiesced()).when(lift).then(lifted);
    freeze.given(applied, lifted).when(lift).thenRefused('CONFLICT');
    freeze.given().when(lift).thenRefused('NOT_FOUND');
    freeze.given(applied).when({ type: 'LiftFreeze', data: { reason: '', fenceEpoch: 5 } }).thenRefused('REASON_REQUIRED');
  });
  test('wide scopes: a family of tools, a scope path with everything below, a run', () => {
    const subject = { tenant: 'acme', agent: 'a', actionKind: 'k', tool: { name: 'mailer.send', version: '1' }, grantId: id(2), scopePath: 'tenant:acme/workflow:mails/toolset:crm', runId: 'run-1' };
    const covers = (scope: FreezeScope, value: string, changes: Partial<FreezeSubject> = {}): boolean => freezeCovers({ freezeId: id(1), scope, value }, { ...subject, ...changes });
    expect([covers('toolset', 'mailer'), covers('toolset', 'crm'), covers('toolset', 'mail'), covers('toolset', 'mailer.send')]).toEqual([true, true, false, true]);
    expect([covers('workflow', 'tenant:acme/workflow:mails'), covers('workflow', subject.scopePath), covers('workflow', 'tenant:acme/workflow:mail'), covers('workflow', 'tenant:globex')]).toEqual([true, true, false, false]);
    expect([covers('run', 'run-1'), covers('run', 'run')]).toEqual([true, false]);
    const { scopePath: _s, runId: _r, ...unsaid } = subject;
    for (const scope of ['workflow', 'run'] as const) expect(freezeCovers({ freezeId: id(1), scope, value: 'x' }, unsaid)).toBe(true);
  });
  test('covers nothing beside its value', () => {
    const subject = { tenant: 'acme', agent: 'a', actionKind: 'k', tool: { name: 't', version: '1' }, grantId: id(2) };
    for (const scope of ['tenant', 'agent', 'kind', 'tool', 'grant'] as const) expect(freezeCovers({ freezeId: id(1), scope, value: 'other' }, subject)).toBe(false);
    expect(freezeCovers({ freezeId: id(1), scope: 'tool', value: 't@2' }, subject)).toBe(false);
  });
});
