import type { BudgetMove, DataOf, Grant, PolicyLimits, ReservationHeld, ReserveRequest, UnitAmount } from '@exequatur/contracts';
import { isRefusal } from '@exequatur/kernel';
import { budgetAfter } from '../budget.js';
import type { Budget } from '../budget.js';
import { decideBudgetHold } from '../decide-budget-hold.js';
import type { BudgetHoldQuestion } from '../decide-budget-hold.js';
import { decideBudget, evolveBudget, initialBudget } from '../decide-budget.js';
import type { BudgetCommand, BudgetEnded, BudgetEvent, BudgetState } from '../decide-budget.js';
import { decideReserve } from '../decide-reserve.js';
import type { ReserveDecision } from '../decide-reserve.js';
import type { ActiveFreeze } from '../freeze.js';
import { freezeCovers } from '../freeze.js';
import { DEFAULT_LIMITS } from '../limits.js';
import { evolveReservation, initialReservation } from '../reservation.js';
import type { LedgerEvent, Reservation, ReservationEvent } from '../reservation.js';
import { runBudgetOfMove, runScopePath } from '../run-limits.js';
import type { RunNow } from '../run-limits.js';
import { pathAndAncestors } from '../scope-path.js';
import { settle } from '../settle-reservation.js';
import type { SettleCommand } from '../settle-reservation.js';

/**
 * The authority in memory, one tenant, one command after the other: what storage does around the deciders, without storage.
 * For specs only. State is kept twice on purpose: as commands left it here, and as `replay` finds it in the log.
 */
export interface MemoryLedger {
  nowMs: number;
  fenceEpoch: number;
  readonly tenant: string;
  readonly limits: PolicyLimits;
  readonly policyHash: string;
  readonly budgets: Map<string, Budget>;
  readonly reservations: Map<string, Reservation>;
  readonly grants: Map<string, { readonly claims: Grant; closed?: 'revoked'; readonly usesTaken: Set<number> }>;
  readonly runs: Map<string, number>;
  readonly freezes: Map<string, ActiveFreeze>;
  /** what ReservationHeld said, by reservation */
  readonly claims: Map<string, DataOf<typeof ReservationHeld>>;
  readonly log: LoggedEvent[];
}

export type LoggedEvent =
  | { readonly stream: string; readonly event: ReservationEvent | LedgerEvent }
  | { readonly stream: string; readonly event: BudgetEvent | BudgetEnded };

export const newLedger = (tenant: string, policyHash: string, nowMs: number, limits: PolicyLimits = {}): MemoryLedger => ({
  nowMs,
  fenceEpoch: 1,
  tenant,
  limits,
  policyHash,
  budgets: new Map(),
  reservations: new Map(),
  grants: new Map(),
  runs: new Map(),
  freezes: new Map(),
  claims: new Map(),
  log: [],
});

const isReservationEvent = (logged: LoggedEvent): logged is Extract<LoggedEvent, { event: ReservationEvent | LedgerEvent }> => !logged.event.type.startsWith('Budget') || logged.event.type === 'BudgetSoftLimitReached';

/** The refusal's code, or undefined. */
export const changeBudget = (ledger: MemoryLedger, budgetId: string, command: BudgetCommand): string | undefined => {
  const known = ledger.budgets.get(budgetId);
  const state: BudgetState = known === undefined ? initialBudget() : { status: 'Defined', ...known };
  const decided = decideBudget(command, state);
  if (isRefusal(decided)) return decided.code;
  let after = state;
  for (const event of decided) {
    after = evolveBudget(after, event);
    ledger.log.push({ stream: `budget/${budgetId}`, event });
  }
  if (after.status === 'Defined') ledger.budgets.set(budgetId, withoutStatus(after));
  return undefined;
};

const withoutStatus = ({ status: _, ...budget }: Extract<BudgetState, { status: 'Defined' }>): Budget => budget;

const budgetsOn = ({ budgets }: MemoryLedger, scopePath: string): readonly Budget[] => {
  const path = new Set(pathAndAncestors(scopePath));
  return [...budgets.values()].filter((budget) => path.has(budget.scopePath) && budget.runLimit === undefined);
};

const runNow = ({ budgets, runs, tenant }: MemoryLedger, agent: string, runId: string): RunNow => {
  const place = runScopePath(tenant, agent, runId);
  return { startedAtMs: runs.get(place), budgets: [...budgets.values()].filter(({ scopePath, runLimit }) => runLimit !== undefined && scopePath === place) };
};

export const reserve = (ledger: MemoryLedger, reservationId: string, request: ReserveRequest, agent: string): ReserveDecision => {
  const grant = ledger.grants.get(request.grant_id ?? '');
  const decision = decideReserve({
    request,
    caller: { type: 'agent', tenant: ledger.tenant, agent },
    reservationId,
    grant,
    nowMs: ledger.nowMs,
    freezes: [...ledger.freezes.values()],
    policy: { version: 1, hash: ledger.policyHash, opinionOn: () => ({ verdict: 'DENY' }), limits: ledger.limits },
    budgets: budgetsOn(ledger, request.scope_path),
    fenceEpoch: ledger.fenceEpoch,
    limits: DEFAULT_LIMITS,
    run: runNow(ledger, agent, request.run_id),
  });
  if (decision.held) {
    grant?.usesTaken.add(request.use_no ?? 1);
    if (decision.runStartedAtMs !== undefined) ledger.runs.set(runScopePath(ledger.tenant, agent, request.run_id), decision.runStartedAtMs);
  }
  return recorded(ledger, reservationId, decision);
};

export const holdBudget = (ledger: MemoryLedger, asked: Pick<BudgetHoldQuestion, 'reservationId' | 'agent' | 'scopePath' | 'runId' | 'amounts'> & Partial<BudgetHoldQuestion>): ReserveDecision =>
  recorded(
    ledger,
    asked.reservationId,
    decideBudgetHold({
      tenant: ledger.tenant,
      actionKind: 'llm.call',
      tool: { name: 'llm.call', version: '0' },
      requestHash: ledger.policyHash,
      nowMs: ledger.nowMs,
      freezes: [...ledger.freezes.values()],
      policy: undefined,
      budgets: budgetsOn(ledger, asked.scopePath),
      fenceEpoch: ledger.fenceEpoch,
      limits: DEFAULT_LIMITS,
      ...asked,
    }),
  );

const recorded = (ledger: MemoryLedger, reservationId: string, decision: ReserveDecision): ReserveDecision => {
  if (!decision.held) {
    append(ledger, reservationId, [{ type: 'ReservationRefused', data: decision.data }]);
    return decision;
  }
  ledger.claims.set(reservationId, decision.data);
  for (const budget of decision.budgets) ledger.budgets.set(budget.budgetId, budget);
  append(ledger, reservationId, [{ type: 'ReservationHeld', data: decision.data }, ...(decision.warnings ?? [])]);
  return decision;
};

const append = (ledger: MemoryLedger, reservationId: string, events: readonly (ReservationEvent | LedgerEvent)[]): void => {
  for (const event of events) {
    ledger.reservations.set(reservationId, evolveReservation(ledger.reservations.get(reservationId) ?? initialReservation(), event));
    ledger.log.push({ stream: `reservation/${reservationId}`, event });
  }
};

type WithoutMetadata<C> = C extends { readonly type: infer T; readonly data: infer D } ? { readonly type: T; readonly data: D } : never;

/** The refusal's code, or the events. */
export const settleOne = (ledger: MemoryLedger, reservationId: string, command: WithoutMetadata<SettleCommand>): string | readonly (ReservationEvent | LedgerEvent)[] => {
  const state = ledger.reservations.get(reservationId) ?? initialReservation();
  const metadata = { nowMs: ledger.nowMs, limits: DEFAULT_LIMITS, frozen: isFrozen(ledger, reservationId), budgets: ledger.budgets };
  const decided = settle({ ...command, metadata } as SettleCommand, state);
  if (isRefusal(decided)) return decided.code;
  for (const event of decided) for (const move of 'moves' in event.data ? event.data.moves : []) apply(ledger.budgets, move);
  append(ledger, reservationId, decided);
  return decided;
};

const isFrozen = ({ claims, freezes, tenant }: MemoryLedger, reservationId: string): boolean => {
  const held = claims.get(reservationId);
  if (held === undefined || freezes.size === 0) return false;
  const { agent, action_kind: actionKind, tool, grant_id: grantId, scope_path: scopePath, run_id: runId } = held;
  return [...freezes.values()].some((freeze) => freezeCovers(freeze, { tenant, agent, actionKind, tool, grantId, scopePath, runId }));
};

const apply = (budgets: Map<string, Budget>, move: BudgetMove): void => {
  const budget = budgets.get(move.budget_id);
  if (budget === undefined) throw new Error(`a move on the unknown budget ${move.budget_id}`);
  budgets.set(move.budget_id, budgetAfter(budget, move));
};

export interface Replayed {
  readonly budgets: Map<string, Budget>;
  readonly reservations: Map<string, Reservation>;
}

/** The state that the log alone gives. A budget of a run begins with its first move. */
export const replay = ({ tenant, log }: MemoryLedger): Replayed => {
  const budgets = new Map<string, Budget>();
  const reservations = new Map<string, Reservation>();
  for (const logged of log) {
    const id = logged.stream.slice(logged.stream.indexOf('/') + 1);
    if (isReservationEvent(logged)) {
      const { event } = logged;
      reservations.set(id, evolveReservation(reservations.get(id) ?? initialReservation(), event));
      if (event.type === 'ReservationHeld') {
        for (const move of event.data.holds) {
          if (move.run_limit !== undefined && !budgets.has(move.budget_id)) budgets.set(move.budget_id, runBudgetOfMove(move, runScopePath(tenant, event.data.agent, event.data.run_id)));
          apply(budgets, move);
        }
      }
      for (const move of 'moves' in event.data ? event.data.moves : []) apply(budgets, move);
    } else {
      const known = budgets.get(id);
      const after = evolveBudget(known === undefined ? initialBudget() : { status: 'Defined', ...known }, logged.event);
      if (after.status === 'Defined') budgets.set(id, withoutStatus(after));
    }
  }
  return { budgets, reservations };
};

export const unitAmounts = (amounts: Readonly<Record<string, bigint>>): readonly UnitAmount[] => Object.entries(amounts).map(([unit, amount]) => ({ unit, amount: amount.toString() }));
