import { Controller, HttpCode, Post } from '@nestjs/common';
import { amount, BUDGET_WINDOWS, name, object, oneOf, optional, scopePath, text, truth, unit, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { newId, parseAmount } from '@exequatur/kernel';
import { tenantOfScopePath } from '@exequatur/reservations-domain';
import type { Budget, BudgetCommand, BudgetTerms } from '@exequatur/reservations-domain';
import { actorOf, Allow, Answer, Caller, Describe, Http, IdempotentRequests, problem, ShapedBody, ShapedPath } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { operatedTenant } from '../authority/operator.js';
import { databaseNow } from '../authority/runtime-authority.js';
import { budgetAnswer, shownFigures, termFields } from './budget-answer.js';
import { budgetStream, BudgetStore } from './budget-store.js';

const tenant = optional(name());
const reason = text(1_000);
const defineShape = object({ tenant, scope_path: scopePath(), unit: unit(), cap: amount(), window: optional(oneOf(...BUDGET_WINDOWS)), ...termFields });
/** What is left out stays as it is; `no_soft_limit` takes the warning away. */
const adjustShape = object({ tenant, cap: optional(amount()), ...termFields, no_soft_limit: optional(truth()), reason });
const fundShape = object({ tenant, amount: amount(), reason });
const closeShape = object({ tenant, reason });

type Terms = Pick<Shape<typeof adjustShape>, 'soft_limit' | 'overage_policy' | 'overdraft_limit'>;
const termsOf = ({ soft_limit, overage_policy, overdraft_limit }: Terms): BudgetTerms => ({
  ...(soft_limit === undefined ? {} : { softLimit: parseAmount(soft_limit) }),
  ...(overage_policy === undefined ? {} : { overagePolicy: overage_policy }),
  ...(overdraft_limit === undefined ? {} : { overdraftLimit: parseAmount(overdraft_limit) }),
});

const answers = { 200: budgetAnswer };

/** Budgets are set by people who operate the tenant, or by root; never by an agent (invariant 12). */
@Controller('v1/budgets')
@Allow('person:operator', 'person:admin', 'root')
export class DefineBudgetHttp {
  constructor(
    private readonly budgets: BudgetStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
  ) {}

  /** Exclusive fence: from this commit on every claim below the path is charged here, also one that is being decided now. */
  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Set a budget on a scope path for one unit.', body: defineShape, answers: { 201: budgetAnswer }, codes: ['CONFLICT'] })
  define(@ShapedBody(defineShape) body: Shape<typeof defineShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const of = operatedTenant(principal, body.tenant);
    if (tenantOfScopePath(body.scope_path) !== of) return problem('INVALID', undefined, [{ pointer: '/scope_path', expected: `to start with tenant:${of}` }]);
    const budgetId = newId();
    return this.requests.run({
      request,
      principal,
      tenant: of,
      operation: 'define-budget',
      locks: { fences: [{ tenant: of, mode: 'exclusive' }], streams: [budgetStream(of, budgetId)] },
      work: async (tx) => {
        const nowMs = await databaseNow(tx);
        const data = { budgetId, scopePath: body.scope_path, unit: body.unit, cap: parseAmount(body.cap), ...(body.window === undefined ? {} : { window: body.window }), nowMs, ...termsOf(body) };
        return { status: 201, body: shownFigures(await this.budgets.define(tx, of, { type: 'DefineBudget', data }, actorOf(principal), nowMs), nowMs) };
      },
    });
  }

  @Post(':id/adjust')
  @HttpCode(200)
  @Describe({ summary: 'Change what is set on a budget; its cap never below what is held and committed.', body: adjustShape, answers, codes: ['CONFLICT', 'REASON_REQUIRED'] })
  adjust(@ShapedPath('id', uuid()) budgetId: string, @ShapedBody(adjustShape) body: Shape<typeof adjustShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const { cap, no_soft_limit, reason: why } = body;
    if (no_soft_limit === true && body.soft_limit !== undefined) return problem('INVALID', undefined, [{ pointer: '/no_soft_limit', expected: 'to stand without soft_limit' }]);
    const terms: BudgetTerms = { ...termsOf(body), ...(no_soft_limit === true ? { softLimit: null } : {}) };
    return this.change(budgetId, body.tenant, principal, request, 'adjust-budget', (budget) => ({ type: 'AdjustBudget', data: { cap: cap === undefined ? budget.cap : parseAmount(cap), reason: why, ...terms } }));
  }

  @Post(':id/fund')
  @HttpCode(200)
  @Describe({ summary: 'Add to a cap; what is owed is paid first.', body: fundShape, answers, codes: ['CONFLICT', 'REASON_REQUIRED'] })
  fund(@ShapedPath('id', uuid()) budgetId: string, @ShapedBody(fundShape) body: Shape<typeof fundShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.change(budgetId, body.tenant, principal, request, 'fund-budget', () => ({ type: 'FundBudget', data: { amount: parseAmount(body.amount), reason: body.reason } }));
  }

  @Post(':id/close')
  @HttpCode(200)
  @Describe({ summary: 'End a budget: it covers nothing new, and what it holds is still settled.', body: closeShape, answers, codes: ['REASON_REQUIRED'] })
  close(@ShapedPath('id', uuid()) budgetId: string, @ShapedBody(closeShape) body: Shape<typeof closeShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.change(budgetId, body.tenant, principal, request, 'close-budget', () => ({ type: 'CloseBudget', data: { reason: body.reason } }));
  }

  private change(budgetId: string, named: string | undefined, principal: Principal, request: HttpRequest, operation: string, commandOf: (budget: Budget) => BudgetCommand): Promise<Answer> {
    const of = operatedTenant(principal, named);
    return this.requests.run({
      request,
      principal,
      tenant: of,
      operation,
      locks: { fences: [{ tenant: of, mode: 'shared' }], streams: [budgetStream(of, budgetId)] },
      work: async (tx) => {
        const { budget, nowMs } = await this.budgets.change(tx, of, budgetId, commandOf, actorOf(principal), () => databaseNow(tx));
        return { status: 200, body: shownFigures(budget, nowMs) };
      },
    });
  }
}
