import { describe, expect, test } from '@jest/globals';
import type { OveragePolicy, UnitAmount } from '@exequatur/contracts';
import { isRefusal } from '@exequatur/kernel';
import { budgetAfter } from './budget.js';
import type { Budget } from './budget.js';
import { decideBudgetHold } from './decide-budget-hold.js';
import type { BudgetHoldQuestion } from './decide-budget-hold.js';
import { DEFAULT_LIMITS } from './limits.js';
import { evolveReservation, initialReservation } from './reservation.js';
import type { LedgerEvent, Reservation, ReservationEvent } from './reservation.js';
import { aBudget, id, NOW } from './reserve-question.fixture.js';
import { settle } from './settle-reservation.js';

const question = (changes: Partial<BudgetHoldQuestion> = {}): BudgetHoldQuestion => ({
  reservationId: id(20),
  tenant: 'acme',
  agent: 'bot',
  scopePath: 'tenant:acme/workspace:sales',
  runId: 'run-1',
  actionKind: 'llm.call',
  tool: { name: 'llm.call', version: '0' },
  requestHash: `sha256:${'1'.repeat(64)}`,
  amounts: [{ unit: 'TOKENS', amount: '50' }],
  nowMs: NOW,
  freezes: [],
  policy: undefined,
  budgets: [],
  fenceEpoch: 1,
  limits: DEFAULT_LIMITS,
  ...changes,
});

const tokens = (changes: Partial<Budget>): Budget => aBudget({ unit: 'TOKENS', ...changes });

/** A ledger of one claim: holds 50 TOKENS, then reports. */
const ledger = (budgets: readonly Budget[], changes: Partial<BudgetHoldQuestion> = {}) => {
  const decision = decideBudgetHold(question({ budgets, ...changes }));
  if (!decision.held) throw new Error(decision.code);
  const state = evolveReservation(initialReservation(), { type: 'ReservationHeld', data: decision.data });
  const byId = new Map(decision.budgets.map((budget) => [budget.budgetId, budget]));
  const commit = (used: string, attestedBy: 'agent' | 'executor' = 'agent') =>
    settle({ type: 'CommitReservation', data: { attestedBy, actual: [{ unit: 'TOKENS', amount: used }] }, metadata: { nowMs: NOW, limits: DEFAULT_LIMITS, frozen: false, budgets: byId } }, state);
  return { decision, state, byId, commit };
};
const eventsOf = (outcome: ReturnType<typeof settle>): readonly (ReservationEvent | LedgerEvent)[] => {
  if (isRefusal(outcome)) throw new Error(outcome.code);
  return outcome;
};
const codeOf = (outcome: ReturnType<typeof settle>): string => (isRefusal(outcome) ? outcome.code : 'accepted');
const budgetAt = (budget: Budget | undefined, events: readonly (ReservationEvent | LedgerEvent)[]): Budget | undefined =>
  events.reduce((state, event) => ('moves' in event.data ? event.data.moves : []).filter((move) => move.budget_id === state?.budgetId).reduce((at, move) => (at === undefined ? at : budgetAfter(at, move)), state), budget);

describe('usage beyond a hold', () => {
  test('reject: nothing beyond the hold, and a fact of the executor spends the hold', () => {
    const { commit } = ledger([tokens({})]);
    expect(codeOf(commit('51'))).toBe('COMMIT_EXCEEDS_RESERVED');
    const events = eventsOf(commit('51', 'executor'));
    expect(events).toMatchObject([{ type: 'ReservationCommitted', data: { actual: [{ amount: '50' }], comparison: { amounts: [{ unit: 'TOKENS', reserved: '50', actual: '51' }] } } }]);
  });

  test('invariant 10: allow_if_available is authorised before it is committed, on every budget', () => {
    const { commit, byId } = ledger([tokens({ overagePolicy: 'allow_if_available' }), tokens({ budgetId: id(11), overagePolicy: 'allow_if_available', cap: 80n })]);
    const events = eventsOf(commit('60'));
    expect(events).toMatchObject([
      { type: 'OverageAuthorised', data: { policy: 'allow_if_available', overages: [{ budget_id: id(10), reserved: '50', extra: '10', overdraft: '0' }, { budget_id: id(11), extra: '10' }] } },
      { type: 'ReservationCommitted', data: { actual: [{ unit: 'TOKENS', amount: '60' }] } },
    ]);
    expect(budgetAt(byId.get(id(11)), events)).toMatchObject({ held: 0n, committed: 60n });
  });

  test('invariant 7: what a budget does not cover is not charged anywhere, and that budget is over its limit', () => {
    const { commit, byId } = ledger([tokens({ overagePolicy: 'allow_if_available' }), tokens({ budgetId: id(11), overagePolicy: 'allow_if_available', cap: 55n })]);
    const events = eventsOf(commit('60'));
    expect(events[0]).toMatchObject({ type: 'OverageAuthorised', data: { overages: [{ extra: '5' }, { extra: '5' }] } });
    expect(budgetAt(byId.get(id(10)), events)).toEqual(tokens({ committed: 55n, entryNo: 3, overagePolicy: 'allow_if_available' }));
    expect(budgetAt(byId.get(id(11)), events)).toEqual(tokens({ budgetId: id(11), committed: 55n, cap: 55n, entryNo: 3, overLimit: true, overagePolicy: 'allow_if_available' }));
    const next = decideBudgetHold(question({ budgets: [tokens({ overLimit: true })], amounts: [{ unit: 'TOKENS', amount: '1' }] }));
    expect(next).toMatchObject({ held: false, code: 'BUDGET_EXCEEDED', because: 'over_limit' });
  });

  test('nothing available: the hold is spent, the budget is over its limit, and no overage is authorised', () => {
    const { commit } = ledger([tokens({ overagePolicy: 'allow_if_available', cap: 50n })]);
    expect(eventsOf(commit('60'))).toMatchObject([{ type: 'ReservationCommitted', data: { actual: [{ amount: '50' }], moves: [{ over_limit: true, committed: '50' }] } }]);
  });

  test('allow_with_overdraft: debt up to the limit, and nothing new while it stands', () => {
    const overdraft = { overagePolicy: 'allow_with_overdraft', overdraftLimit: 10n, cap: 55n } as const;
    const { commit, byId } = ledger([tokens(overdraft), tokens({ budgetId: id(11), overagePolicy: 'allow_with_overdraft', overdraftLimit: 10n })]);
    const events = eventsOf(commit('60'));
    expect(events[0]).toMatchObject({ type: 'OverageAuthorised', data: { policy: 'allow_with_overdraft', overages: [{ extra: '10', overdraft: '10' }, { extra: '10', overdraft: '0' }] } });
    expect(budgetAt(byId.get(id(10)), events)).toEqual(tokens({ ...overdraft, committed: 50n, debt: 10n, entryNo: 3 }));
    expect(codeOf(commit('61'))).toBe('OVERDRAFT_LIMIT_EXCEEDED');
    expect(decideBudgetHold(question({ budgets: [tokens({ debt: 1n })] }))).toMatchObject({ held: false, because: 'debt' });
  });

  test('an overdraft is shared exactly by commits that come together', () => {
    const decided = [0, 1].map((index) => decideBudgetHold(question({ reservationId: id(20 + index), budgets: [tokens({ cap: 100n, held: BigInt(index) * 50n, overagePolicy: 'allow_with_overdraft', overdraftLimit: 10n })] })));
    const last = decided[1];
    if (last?.held !== true) throw new Error('not held');
    let budget = last.budgets[0];
    const codes = decided.map((decision) => {
      if (!decision.held || budget === undefined) throw new Error('not held');
      const state = evolveReservation(initialReservation(), { type: 'ReservationHeld', data: decision.data });
      const outcome = settle({ type: 'CommitReservation', data: { attestedBy: 'agent', actual: [{ unit: 'TOKENS', amount: '56' }] }, metadata: { nowMs: NOW, limits: DEFAULT_LIMITS, frozen: false, budgets: new Map([[budget.budgetId, budget]]) } }, state);
      if (!isRefusal(outcome)) budget = budgetAt(budget, outcome);
      return codeOf(outcome);
    });
    expect(codes).toEqual(['accepted', 'OVERDRAFT_LIMIT_EXCEEDED']);
    expect(budget).toMatchObject({ debt: 6n, committed: 50n, held: 50n });
  });

  test.each<[OveragePolicy | undefined, readonly OveragePolicy[], string]>([
    ['allow_with_overdraft', ['reject'], 'COMMIT_EXCEEDS_RESERVED'],
    ['reject', ['allow_if_available'], 'COMMIT_EXCEEDS_RESERVED'],
    ['allow_if_available', [], 'accepted'],
    [undefined, ['allow_if_available', 'reject'], 'COMMIT_EXCEEDS_RESERVED'],
  ])('the strictest of the claim (%s) and its budgets (%s) counts', (ofClaim, ofBudgets, expected) => {
    const budgets = (ofBudgets.length === 0 ? [undefined] : ofBudgets).map((overagePolicy, index) => tokens({ budgetId: id(10 + index), ...(overagePolicy === undefined ? {} : { overagePolicy }) }));
    expect(codeOf(ledger(budgets, ofClaim === undefined ? {} : { overagePolicy: ofClaim }).commit('51'))).toBe(expected);
  });

  test('a unit that was never held is never spent', () => {
    const { state, byId } = ledger([tokens({ overagePolicy: 'allow_if_available' })]);
    const actual: readonly UnitAmount[] = [{ unit: 'CALLS', amount: '1' }];
    expect(codeOf(settle({ type: 'CommitReservation', data: { attestedBy: 'agent', actual }, metadata: { nowMs: NOW, limits: DEFAULT_LIMITS, frozen: false, budgets: byId } }, state))).toBe('COMMIT_EXCEEDS_RESERVED');
  });
});

describe('the soft limit', () => {
  test('warns at the hold that reaches it, once, after it', () => {
    const at = (committed: bigint) => decideBudgetHold(question({ budgets: [tokens({ softLimit: 80n, committed })] }));
    expect(at(30n)).toMatchObject({ held: true, warnings: [{ type: 'BudgetSoftLimitReached', data: { reservation_id: id(20), budget_id: id(10), soft_limit: '80', held: '50', committed: '30', entry_no: 2 } }] });
    expect(at(29n)).not.toHaveProperty('warnings');
    expect(decideBudgetHold(question({ budgets: [tokens({ softLimit: 80n, committed: 30n, held: 50n, cap: 200n })] }))).not.toHaveProperty('warnings');
  });
  test('warns behind the commit whose overage reaches it', () => {
    const { commit } = ledger([tokens({ softLimit: 55n, overagePolicy: 'allow_if_available' })]);
    expect(eventsOf(commit('60')).map(({ type }) => type)).toEqual(['OverageAuthorised', 'ReservationCommitted', 'BudgetSoftLimitReached']);
    expect(eventsOf(commit('54')).map(({ type }) => type)).toEqual(['OverageAuthorised', 'ReservationCommitted']);
  });
  test('a new window warns anew', () => {
    const daily = tokens({ softLimit: 50n, window: 'day', windowStartMs: 0, committed: 60n });
    expect(decideBudgetHold(question({ budgets: [daily] }))).toMatchObject({ warnings: [{ data: { held: '50', committed: '0' } }] });
  });
});

describe('a claim on budget only', () => {
  test('has no grant, use or execution, and expires after its own grace', () => {
    const { decision, state, byId } = ledger([tokens({})], { ttlMs: 5_000, graceMs: 0, overagePolicy: 'reject' });
    expect(decision.data).toMatchObject({ purpose: 'budget_only', agent: 'bot', overage_policy: 'reject', grace_ms: 0 });
    for (const field of ['grant_id', 'use_no', 'action_id', 'execution_id']) expect(decision.data).not.toHaveProperty(field);
    const sweep = (nowMs: number) => settle({ type: 'SweepReservation', data: {}, metadata: { nowMs, limits: DEFAULT_LIMITS, frozen: false, budgets: byId } }, state);
    expect(sweep(NOW + 4_999)).toEqual([]);
    expect(sweep(NOW + 5_000)).toMatchObject([{ type: 'ReservationExpired', data: { moves: [{ held: '0', committed: '0' }] } }]);
  });
  test('may be asked for, and extended, up to a day', () => {
    const { decision, state, byId } = ledger([tokens({})], { ttlMs: 3_600_000 });
    expect(decision.data.expires_at).toBe('2026-01-31T09:00:00.000Z');
    const extend = (byMs: number) => settle({ type: 'ExtendReservation', data: { byMs, heldAtMs: NOW }, metadata: { nowMs: NOW, limits: DEFAULT_LIMITS, frozen: false, budgets: byId } }, state);
    expect(extend(3_600_000)).toMatchObject([{ type: 'ReservationExtended', data: { expires_at: '2026-01-31T10:00:00.000Z' } }]);
    expect(extend(90_000_000)).toMatchObject([{ data: { expires_at: '2026-02-01T08:00:00.000Z' } }]);
  });
  test.each<[string, Partial<BudgetHoldQuestion>]>([
    ['FROZEN', { freezes: [{ freezeId: id(1), scope: 'workflow', value: 'tenant:acme' }], budgets: [] }],
    ['BUDGET_UNKNOWN', { budgets: [aBudget()] }],
    ['BUDGET_EXCEEDED', { budgets: [tokens({ cap: 49n })] }],
    ['BUDGET_EXCEEDED', { budgets: [tokens({}), tokens({ budgetId: id(11), closed: true })] }],
  ])('is refused with %s', (code, changes) => {
    const decision = decideBudgetHold(question(changes));
    expect(decision).toMatchObject({ held: false, code, data: { code, reservation_id: id(20), after_approval: false } });
    if (code === 'BUDGET_EXCEEDED') expect(decision.data).toMatchObject({ budget_scope_path: 'tenant:acme' });
  });
  test('the same unit named twice is held as their sum', () => {
    const { byId } = ledger([tokens({})], { amounts: [{ unit: 'TOKENS', amount: '20' }, { unit: 'TOKENS', amount: '30' }] });
    expect(byId.get(id(10))?.held).toBe(50n);
  });
  test('the state of a reservation is the same whichever way it is read', () => {
    const { state } = ledger([tokens({})]);
    expect((state as Reservation & { budgetOnly?: true }).budgetOnly).toBe(true);
  });
});
