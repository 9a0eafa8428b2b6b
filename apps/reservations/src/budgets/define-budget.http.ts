import { Controller, HttpCode, Post } from '@nestjs/common';
import { amount, BudgetAdjusted, BudgetDefined, count, name, object, optional, scopePath, streamKey, text, unit, uuid } from '@exequatur/contracts';
import type { EventDefinition, Shape, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { newId, parseAmount, toInstant } from '@exequatur/kernel';
import { decideBudget, evolveBudget, initialBudget, tenantOfScopePath } from '@exequatur/reservations-domain';
import type { BudgetCommand, BudgetEvent, BudgetState } from '@exequatur/reservations-domain';
import { Allow, Answer, Caller, Describe, Http, IdempotentRequests, orProblem, problem, ShapedBody, ShapedPath } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { actorOf } from '../authority/asking.js';
import { operatedTenant } from '../authority/operator.js';
import { databaseNow } from '../authority/runtime-authority.js';

const defineShape = object({ tenant: optional(name()), scope_path: scopePath(), unit: unit(), cap: amount() });
const adjustShape = object({ tenant: optional(name()), cap: amount(), reason: text(1_000) });
export const budgetAnswer = object({ budget_id: uuid(), scope_path: scopePath(), unit: unit(), cap: amount(), held: amount(), committed: amount(), entry_no: count() });

const DEFINITIONS: Readonly<Record<BudgetEvent['type'], EventDefinition>> = { BudgetDefined, BudgetAdjusted };
const budgetStream = (tenant: string, budgetId: string): StreamId => ({ tenant, aggregate: 'budget', id: budgetId });

interface Row {
  scope_path: string;
  unit: string;
  cap: string;
  held: string;
  committed: string;
  entry_no: string;
}

/** Budgets are set by people who operate the tenant, or by root; never by an agent (invariant 12). */
@Controller('v1/budgets')
@Allow('person:operator', 'person:admin', 'root')
export class DefineBudgetHttp {
  constructor(
    private readonly store: PgEventStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
  ) {}

  /** Exclusive fence: from this commit on every claim below the path is charged here, also one that is being decided now. */
  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Set a budget on a scope path for one unit.', body: defineShape, answers: { 201: budgetAnswer }, codes: ['CONFLICT'] })
  define(@ShapedBody(defineShape) body: Shape<typeof defineShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = operatedTenant(principal, body.tenant);
    if (tenantOfScopePath(body.scope_path) !== tenant) return problem('INVALID', undefined, [{ pointer: '/scope_path', expected: `to start with tenant:${tenant}` }]);
    const budgetId = newId();
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'define-budget',
      locks: { fences: [{ tenant, mode: 'exclusive' }], streams: [budgetStream(tenant, budgetId)] },
      work: async (tx) => {
        const placed = await tx.query('SELECT FROM budget WHERE tenant = $1 AND scope_path = $2 AND unit = $3', [tenant, body.scope_path, body.unit]);
        if (placed.rowCount !== 0) return problem('CONFLICT', 'there is a budget for this unit on this path');
        const command: BudgetCommand = { type: 'DefineBudget', data: { budgetId, scopePath: body.scope_path, unit: body.unit, cap: parseAmount(body.cap) } };
        const after = await this.decide(tx, tenant, budgetId, command, initialBudget(), actorOf(principal));
        await tx.query('INSERT INTO budget (budget_id, tenant, scope_path, unit, cap, entry_no) VALUES ($1, $2, $3, $4, $5, $6)', [budgetId, tenant, after.scopePath, after.unit, after.cap.toString(), after.entryNo]);
        return { status: 201, body: shown(after) };
      },
    });
  }

  @Post(':id/adjust')
  @HttpCode(200)
  @Describe({ summary: 'Change a cap, never below what is held and committed.', body: adjustShape, answers: { 200: budgetAnswer }, codes: ['CONFLICT', 'REASON_REQUIRED'] })
  adjust(@ShapedPath('id', uuid()) budgetId: string, @ShapedBody(adjustShape) body: Shape<typeof adjustShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = operatedTenant(principal, body.tenant);
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'adjust-budget',
      locks: { fences: [{ tenant, mode: 'shared' }], streams: [budgetStream(tenant, budgetId)] },
      work: async (tx) => {
        const before = await this.lock(tx, tenant, budgetId);
        const after = await this.decide(tx, tenant, budgetId, { type: 'AdjustBudget', data: { cap: parseAmount(body.cap), reason: body.reason } }, before, actorOf(principal));
        await tx.query('UPDATE budget SET cap = $3, entry_no = $4 WHERE tenant = $1 AND budget_id = $2', [tenant, budgetId, after.cap.toString(), after.entryNo]);
        return { status: 200, body: shown(after) };
      },
    });
  }

  private async lock(tx: PgTransaction, tenant: string, budgetId: string): Promise<BudgetState> {
    const { rows } = await tx.query<Row>('SELECT scope_path, unit, cap, held, committed, entry_no FROM budget WHERE tenant = $1 AND budget_id = $2 FOR UPDATE', [tenant, budgetId]);
    const [row] = rows;
    if (row === undefined) return problem('NOT_FOUND');
    return { status: 'Defined', budgetId, scopePath: row.scope_path, unit: row.unit, cap: BigInt(row.cap), held: BigInt(row.held), committed: BigInt(row.committed), entryNo: Number(row.entry_no) };
  }

  /** Decides, appends, and gives the budget as it is then. */
  private async decide(tx: PgTransaction, tenant: string, budgetId: string, command: BudgetCommand, before: BudgetState, actor: Actor): Promise<Extract<BudgetState, { status: 'Defined' }>> {
    const events = orProblem(decideBudget(command, before)) as readonly BudgetEvent[];
    const stream = budgetStream(tenant, budgetId);
    if (events.length > 0) {
      const versions = await this.store.versions(tx, [stream]);
      const time = toInstant(await databaseNow(tx));
      await this.store.append(tx, [{ stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events: events.map(({ type, data }) => ({ definition: DEFINITIONS[type], data, actor, time })) }]);
    }
    const after = events.reduce(evolveBudget, before);
    return after.status === 'None' ? problem('NOT_FOUND') : after;
  }
}

const shown = ({ budgetId, scopePath: path, unit: ofUnit, cap, held, committed, entryNo }: Extract<BudgetState, { status: 'Defined' }>) => ({
  budget_id: budgetId,
  scope_path: path,
  unit: ofUnit,
  cap: cap.toString(),
  held: held.toString(),
  committed: committed.toString(),
  entry_no: entryNo,
});
