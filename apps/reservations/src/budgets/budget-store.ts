import { Injectable } from '@nestjs/common';
import { BudgetAdjusted, BudgetClosed, BudgetDefined, streamKey } from '@exequatur/contracts';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { decideBudget, evolveBudget } from '@exequatur/reservations-domain';
import type { Budget, BudgetCommand, BudgetEnded, BudgetEvent, BudgetState } from '@exequatur/reservations-domain';
import { orProblem, problem } from '@exequatur/service-kit';
import { BUDGET_COLUMNS, budgetIn, earlierText } from '../authority/budget-rows.js';
import type { BudgetRow } from '../authority/budget-rows.js';

type Happened = BudgetEvent | BudgetEnded;

const DEFINITIONS: Readonly<Record<Happened['type'], EventDefinition>> = { BudgetDefined, BudgetAdjusted, BudgetClosed };

export const budgetStream = (tenant: string, budgetId: string): StreamId => ({ tenant, aggregate: 'budget', id: budgetId });

const INSERT = `
INSERT INTO budget (budget_id, tenant, scope_path, unit, cap, entry_no, budget_window, window_start_ms, soft_limit, overage_policy, overdraft_limit)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`;

/** A closed budget leaves its place to another. */
const UPDATE = `
UPDATE budget SET cap = $3, held = $4, committed = $5, entry_no = $6::bigint, window_start_ms = $7, soft_limit = $8, overage_policy = $9, overdraft_limit = $10, debt = $11, over_limit = $12, earlier = $13,
  place = CASE WHEN $14::boolean THEN $6::bigint ELSE 0 END
WHERE tenant = $1 AND budget_id = $2`;

/** What people set on budgets: events and the row of one, in the caller's transaction, whose locks have its stream. */
@Injectable()
export class BudgetStore {
  constructor(private readonly store: PgEventStore) {}

  /** @throws Problem CONFLICT: an open budget stands there */
  async define(tx: PgTransaction, tenant: string, command: Extract<BudgetCommand, { type: 'DefineBudget' }>, actor: Actor, nowMs: number): Promise<Budget> {
    const { budgetId, scopePath, unit } = command.data;
    const placed = await tx.query('SELECT FROM budget WHERE tenant = $1 AND scope_path = $2 AND unit = $3 AND place = 0', [tenant, scopePath, unit]);
    if (placed.rowCount !== 0) return problem('CONFLICT', 'there is a budget for this unit on this path');
    const budget = await this.decide(tx, tenant, budgetId, command, { status: 'None' }, actor, nowMs);
    const { softLimit, overagePolicy, overdraftLimit } = budget;
    await tx.query(INSERT, [budgetId, tenant, scopePath, unit, budget.cap.toString(), budget.entryNo, budget.window ?? null, budget.windowStartMs ?? 0, softLimit?.toString() ?? null, overagePolicy ?? null, overdraftLimit?.toString() ?? null]);
    return budget;
  }

  /** @throws Problem NOT_FOUND, also for limits of runs, which nobody sets; and what the decider refuses */
  async change(tx: PgTransaction, tenant: string, budgetId: string, commandOf: (budget: Budget) => BudgetCommand, actor: Actor, now: () => Promise<number>): Promise<{ readonly budget: Budget; readonly nowMs: number }> {
    const { rows } = await tx.query<BudgetRow>(`SELECT ${BUDGET_COLUMNS} FROM budget b WHERE tenant = $1 AND budget_id = $2 AND run_limit IS NULL FOR UPDATE`, [tenant, budgetId]);
    const [row] = rows;
    if (row === undefined) return problem('NOT_FOUND');
    // The window is that of the time at which the row is locked.
    const nowMs = await now();
    const before = budgetIn(row);
    const command = commandOf(before);
    const budget = await this.decide(tx, tenant, budgetId, { ...command, data: { ...command.data, nowMs } } as BudgetCommand, { status: 'Defined', ...before }, actor, nowMs);
    if (budget.entryNo !== before.entryNo) await this.update(tx, tenant, budget);
    return { budget, nowMs };
  }

  private async update(tx: PgTransaction, tenant: string, budget: Budget): Promise<void> {
    const { budgetId, cap, held, committed, entryNo, windowStartMs, softLimit, overagePolicy, overdraftLimit, debt, overLimit, earlier, closed } = budget;
    await tx.query(UPDATE, [
      tenant,
      budgetId,
      cap.toString(),
      held.toString(),
      committed.toString(),
      entryNo,
      windowStartMs ?? 0,
      softLimit?.toString() ?? null,
      overagePolicy ?? null,
      overdraftLimit?.toString() ?? null,
      (debt ?? 0n).toString(),
      overLimit === true,
      earlierText(earlier),
      closed === true,
    ]);
  }

  /** Decides, appends, and gives the budget as it is then. */
  private async decide(tx: PgTransaction, tenant: string, budgetId: string, command: BudgetCommand, before: BudgetState, actor: Actor, nowMs: number): Promise<Budget> {
    const events = orProblem(decideBudget(command, before)) as readonly Happened[];
    const stream = budgetStream(tenant, budgetId);
    if (events.length > 0) {
      const versions = await this.store.versions(tx, [stream]);
      const time = toInstant(nowMs);
      await this.store.append(tx, [{ stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events: events.map(({ type, data }) => ({ definition: DEFINITIONS[type], data, actor, time })) }]);
    }
    const after = events.reduce(evolveBudget, before);
    if (after.status === 'None') return problem('NOT_FOUND');
    const { status: _, ...budget } = after;
    return budget;
  }
}
