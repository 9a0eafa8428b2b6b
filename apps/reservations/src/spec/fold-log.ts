import type { BudgetMove, EventEnvelope } from '@exequatur/contracts';
import { budgetAfter, evolveBudget, evolveFreeze, evolveReservation, initialBudget, initialFreeze, initialReservation } from '@exequatur/reservations-domain';
import type { BudgetEvent, BudgetState, Freeze, FreezeEvent, Reservation, ReservationEvent } from '@exequatur/reservations-domain';

interface Folded {
  readonly reservations: readonly { reservation_id: string; status: string; version: number; expires_at: number }[];
  readonly budgets: readonly { budget_id: string; cap: string; held: string; committed: string; entry_no: string }[];
  readonly freezes: readonly { freeze_id: string; status: string }[];
  readonly uses: readonly { grant_id: string; use_no: number; reservation_id: string }[];
}

const byId = <T>(id: (row: T) => string) => (a: T, b: T): number => (id(a) < id(b) ? -1 : 1);

/** The state that the log alone gives, by the deciders' own evolve. Budgets are folded by entry_no, as an auditor orders them. */
export const foldLog = (log: readonly Buffer[]): Folded => {
  const reservations = new Map<string, { state: Reservation; version: number }>();
  const budgets = new Map<string, BudgetState>();
  const freezes = new Map<string, Freeze>();
  const uses: { grant_id: string; use_no: number; reservation_id: string }[] = [];
  const moves: ({ readonly entryNo: number; readonly budgetId: string } & ({ readonly move: BudgetMove } | { readonly event: BudgetEvent }))[] = [];
  for (const bytes of log) {
    const envelope = JSON.parse(bytes.toString('utf8')) as EventEnvelope<Record<string, unknown>>;
    const [, , context, type] = envelope.type.split('.');
    if (context !== 'reservations') continue;
    const event = { type, data: envelope.data } as unknown;
    if (type?.startsWith('Reservation')) {
      const before = reservations.get(envelope.subject) ?? { state: initialReservation(), version: 0 };
      reservations.set(envelope.subject, { state: evolveReservation(before.state, event as ReservationEvent), version: Number(envelope.sequence) });
      const { moves: settled, holds } = envelope.data as { moves?: readonly BudgetMove[]; holds?: readonly BudgetMove[] };
      for (const move of [...(settled ?? []), ...(holds ?? [])]) moves.push({ entryNo: move.entry_no, budgetId: move.budget_id, move });
      const { grant_id, use_no, reservation_id } = envelope.data as { grant_id?: string; use_no: number; reservation_id: string };
      if (type === 'ReservationHeld' && grant_id !== undefined) uses.push({ grant_id, use_no, reservation_id });
    } else if (type === 'BudgetDefined' || type === 'BudgetAdjusted') {
      moves.push({ entryNo: envelope.data['entry_no'] as number, budgetId: envelope.subject, event: event as BudgetEvent });
    } else if (type?.startsWith('Freeze')) {
      freezes.set(envelope.subject, evolveFreeze(freezes.get(envelope.subject) ?? initialFreeze(), event as FreezeEvent));
    }
  }
  for (const step of moves.sort((a, b) => a.entryNo - b.entryNo)) {
    const before = budgets.get(step.budgetId) ?? initialBudget();
    if ('event' in step) budgets.set(step.budgetId, evolveBudget(before, step.event));
    else if (before.status === 'Defined') budgets.set(step.budgetId, { status: 'Defined', ...budgetAfter(before, step.move) });
  }
  return {
    reservations: [...reservations].flatMap(([reservation_id, { state, version }]) => ('expiresAt' in state ? [{ reservation_id, status: state.status, version, expires_at: state.expiresAt }] : [])).sort(byId((row) => row.reservation_id)),
    budgets: [...budgets]
      .flatMap(([budget_id, state]) => (state.status === 'Defined' ? [{ budget_id, cap: state.cap.toString(), held: state.held.toString(), committed: state.committed.toString(), entry_no: String(state.entryNo) }] : []))
      .sort(byId((row) => row.budget_id)),
    freezes: [...freezes].map(([freeze_id, { status }]) => ({ freeze_id, status })).sort(byId((row) => row.freeze_id)),
    uses: uses.sort(byId((row) => row.reservation_id)),
  };
};
