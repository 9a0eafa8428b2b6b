import { describe, expect, test } from '@jest/globals';
import { isRefusal } from '@exequatur/kernel';
import { specFor } from '@exequatur/testing';
import { decideBudget, evolveBudget, initialBudget } from './budget.js';
import type { BudgetCommand, BudgetEvent } from './budget.js';
import { decideFreeze, evolveFreeze, freezeCovers, initialFreeze } from './freeze.js';
import type { EarlierClaim, FreezeCommand, FreezeEvent } from './freeze.js';
import { id, NOW } from './reserve-question.fixture.js';

describe('budget', () => {
  const budget = specFor({ decide: decideBudget, evolve: evolveBudget, initialState: initialBudget });
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
  test('covers nothing beside its value', () => {
    const subject = { tenant: 'acme', agent: 'a', actionKind: 'k', tool: { name: 't', version: '1' }, grantId: id(2) };
    for (const scope of ['tenant', 'agent', 'kind', 'tool', 'grant'] as const) expect(freezeCovers({ freezeId: id(1), scope, value: 'other' }, subject)).toBe(false);
    expect(freezeCovers({ freezeId: id(1), scope: 'tool', value: 't@2' }, subject)).toBe(false);
  });
});
