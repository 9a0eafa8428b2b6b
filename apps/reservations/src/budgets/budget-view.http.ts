import { Controller, Get } from '@nestjs/common';
import { list, name, object, optional, scopePath, text, unit, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, decodeCursor, Describe, pageFields, pageOf, pageSize, shaped, ShapedQuery } from '@exequatur/service-kit';
import type { ListPage, Principal } from '@exequatur/service-kit';
import { BUDGET_COLUMNS, budgetIn } from '../authority/budget-rows.js';
import type { BudgetRow } from '../authority/budget-rows.js';
import { operatedTenant } from '../authority/operator.js';
import { balanceShown, budgetShown, shownBalance, shownBudget } from './budget-answer.js';

const query = object({ ...pageFields, tenant: optional(name()), scope_path: optional(scopePath()), unit: optional(unit()) });
const pageOfBudgets = object({ items: list(budgetShown, 200), next_cursor: text(500) });
const pageOfBalances = object({ items: list(balanceShown, 200), next_cursor: text(500) });

type Row = BudgetRow & { readonly now: Date };

/** What a tenant may spend, and what is left: for its operators and auditors, never for agents. */
@Controller('v1')
@Allow('person:operator', 'person:admin', 'person:auditor', 'root')
export class BudgetViewHttp {
  constructor(private readonly database: Database) {}

  @Get('budgets')
  @Describe({ summary: 'Budgets and their caps.', query, answers: { 200: pageOfBudgets } })
  budgets(@ShapedQuery(query) asked: Shape<typeof query>, @Caller() principal: Principal): Promise<unknown> {
    return this.page(asked, principal, (row) => shownBudget(budgetIn(row)));
  }

  @Get('balances')
  @Describe({ summary: 'What is held, committed and left on each budget, in its window of now.', query, answers: { 200: pageOfBalances } })
  balances(@ShapedQuery(query) asked: Shape<typeof query>, @Caller() principal: Principal): Promise<unknown> {
    return this.page(asked, principal, (row) => shownBalance(budgetIn(row), row.now.getTime()));
  }

  private async page<T>(asked: Shape<typeof query>, principal: Principal, shown: (row: Row) => T): Promise<ListPage<T>> {
    const tenant = operatedTenant(principal, asked.tenant);
    const after = asked.cursor === undefined ? null : shaped(uuid(), decodeCursor(asked.cursor));
    const size = pageSize(asked.limit);
    const { rows } = await this.database.query<Row>(
      `SELECT ${BUDGET_COLUMNS}, clock_timestamp() AS now FROM budget b
       WHERE tenant = $1 AND ($2::text IS NULL OR scope_path = $2) AND ($3::text IS NULL OR unit = $3) AND ($4::uuid IS NULL OR budget_id > $4)
       ORDER BY budget_id LIMIT $5`,
      [tenant, asked.scope_path ?? null, asked.unit ?? null, after, size + 1],
    );
    return pageOf(rows, size, ({ budget_id }) => budget_id, shown);
  }
}
