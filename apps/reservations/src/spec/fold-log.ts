import type { BudgetMove, EventEnvelope } from '@exequatur/contracts';
import { budgetAfter, evolveBudget, evolveFreeze, evolveReservation, initialBudget, initialFreeze, initialReservation, runBudgetOfMove, runScopePath } from '@exequatur/reservations-domain';
import type { Budget, BudgetEnded, BudgetEvent, BudgetState, Freeze, FreezeEvent, LedgerEvent, Reservation, ReservationEvent } from '@exequatur/reservations-domain';

interface FoldedBudget {
  budget_id: string;
  scope_path: string;
  cap: string;
  held: string;
  committed: string;
  entry_no: string;
  budget_window: string | null;
  window_start_ms: string;
  soft_limit: string | null;
  overage_policy: string | null;
  overdraft_limit: string | null;
  debt: string;
  over_limit: boolean;
  closed: boolean;
  run_limit: string | null;
  earlier: { startMs: number; cap: string; held: string; committed: string }[] | null;
}

/** The rows that `budgets` must equal. */
export const FOLDED_BUDGETS = `SELECT budget_id, scope_path, cap, held, committed, entry_no, budget_window, window_start_ms, soft_limit, overage_policy, overdraft_limit, debt, over_limit, place > 0 AS closed, run_limit, earlier FROM budget ORDER BY budget_id`;
export const FOLDED_RUNS = 'SELECT tenant, agent, run_id, started_at_ms FROM run WHERE started_at_ms IS NOT NULL ORDER BY tenant, agent, run_id';

interface Folded {
  readonly reservations: readonly { reservation_id: string; status: string; version: number; expires_at: number }[];
  readonly budgets: readonly FoldedBudget[];
  readonly freezes: readonly { freeze_id: string; status: string }[];
  readonly runs: readonly { tenant: string; agent: string; run_id: string; started_at_ms: string }[];
  readonly uses: readonly { grant_id: string; use_no: number; reservation_id: string }[];
}

const byId = <T>(id: (row: T) => string) => (a: T, b: T): number => (id(a) < id(b) ? -1 : 1);

const foldedBudget = (budget: Budget): FoldedBudget => ({
  budget_id: budget.budgetId,
  scope_path: budget.scopePath,
  cap: budget.cap.toString(),
  held: budget.held.toString(),
  committed: budget.committed.toString(),
  entry_no: String(budget.entryNo),
  budget_window: budget.window ?? null,
  window_start_ms: String(budget.windowStartMs ?? 0),
  soft_limit: budget.softLimit?.toString() ?? null,
  overage_policy: budget.overagePolicy ?? null,
  overdraft_limit: budget.overdraftLimit?.toString() ?? null,
  debt: (budget.debt ?? 0n).toString(),
  over_limit: budget.overLimit === true,
  closed: budget.closed === true,
  run_limit: budget.runLimit ?? null,
  earlier: budget.earlier?.map(({ startMs, cap, held, committed }) => ({ startMs, cap: cap.toString(), held: held.toString(), committed: committed.toString() })) ?? null,
});

/** The state that the log alone gives, by the deciders' own evolve. Budgets are folded by entry_no, as an auditor orders them. */
export const foldLog = (log: readonly Buffer[]): Folded => {
  const reservations = new Map<string, { state: Reservation; version: number }>();
  const budgets = new Map<string, BudgetState>();
  const freezes = new Map<string, Freeze>();
  const uses: { grant_id: string; use_no: number; reservation_id: string }[] = [];
  const runs = new Map<string, Folded['runs'][number]>();
  const moves: ({ readonly entryNo: number; readonly budgetId: string } & ({ readonly move: BudgetMove; readonly runPath: string } | { readonly event: BudgetEvent | BudgetEnded }))[] = [];
  for (const bytes of log) {
    const envelope = JSON.parse(bytes.toString('utf8')) as EventEnvelope<Record<string, unknown>>;
    const [, , context, type] = envelope.type.split('.');
    if (context !== 'reservations') continue;
    const event = { type, data: envelope.data } as unknown;
    if (type?.startsWith('Reservation') || type === 'OverageAuthorised' || type === 'BudgetSoftLimitReached') {
      const before = reservations.get(envelope.subject) ?? { state: initialReservation(), version: 0 };
      reservations.set(envelope.subject, { state: evolveReservation(before.state, event as ReservationEvent | LedgerEvent), version: Number(envelope.sequence) });
      const data = envelope.data as { moves?: readonly BudgetMove[]; holds?: readonly BudgetMove[]; agent?: string; run_id?: string; run_started_at?: string; grant_id?: string; use_no: number; reservation_id: string };
      const { agent = '', run_id = '', grant_id, use_no, reservation_id } = data;
      const runPath = type === 'ReservationHeld' ? runScopePath(envelope.tenant, agent, run_id) : '';
      for (const move of [...(data.moves ?? []), ...(data.holds ?? [])]) moves.push({ entryNo: move.entry_no, budgetId: move.budget_id, move, runPath });
      if (type !== 'ReservationHeld') continue;
      if (grant_id !== undefined) uses.push({ grant_id, use_no, reservation_id });
      if (data.run_started_at !== undefined) runs.set(runPath, { tenant: envelope.tenant, agent, run_id, started_at_ms: String(Date.parse(data.run_started_at)) });
    } else if (type === 'BudgetDefined' || type === 'BudgetAdjusted' || type === 'BudgetClosed') {
      moves.push({ entryNo: envelope.data['entry_no'] as number, budgetId: envelope.subject, event: event as BudgetEvent | BudgetEnded });
    } else if (type?.startsWith('Freeze')) {
      freezes.set(envelope.subject, evolveFreeze(freezes.get(envelope.subject) ?? initialFreeze(), event as FreezeEvent));
    }
  }
  for (const step of moves.sort((a, b) => a.entryNo - b.entryNo)) {
    const before = budgets.get(step.budgetId) ?? initialBudget();
    if ('event' in step) budgets.set(step.budgetId, evolveBudget(before, step.event));
    else budgets.set(step.budgetId, { status: 'Defined', ...budgetAfter(before.status === 'Defined' ? before : runBudgetOfMove(step.move, step.runPath), step.move) });
  }
  return {
    reservations: [...reservations].flatMap(([reservation_id, { state, version }]) => ('expiresAt' in state ? [{ reservation_id, status: state.status, version, expires_at: state.expiresAt }] : [])).sort(byId((row) => row.reservation_id)),
    budgets: [...budgets.values()].flatMap((state) => (state.status === 'Defined' ? [foldedBudget(state)] : [])).sort(byId((row) => row.budget_id)),
    runs: [...runs.values()].sort(byId((row) => JSON.stringify([row.tenant, row.agent, row.run_id]))),
    freezes: [...freezes].map(([freeze_id, { status }]) => ({ freeze_id, status })).sort(byId((row) => row.freeze_id)),
    uses: uses.sort(byId((row) => row.reservation_id)),
  };
};
