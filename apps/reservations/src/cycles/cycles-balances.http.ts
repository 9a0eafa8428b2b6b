import { Controller, Get } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import { budgetNow } from '@exequatur/reservations-domain';
import { Allow, Answer, Caller, Database, decodeCursor, Describe, encodeCursor, pageSize, problem, shaped, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { BUDGET_COLUMNS, budgetIn } from '../authority/budget-rows.js';
import type { BudgetRow } from '../authority/budget-rows.js';
import { amountText, answered } from './cycles-answer.js';
import { balancesResponse, CYCLES_ERRORS } from './cycles-responses.js';
import { balancesQuery, LEVELS, UNITS } from './cycles-shapes.js';
import type { BalancesQuery } from './cycles-shapes.js';
import { scopePathOf } from './scope-of-subject.js';

type Row = BudgetRow & { readonly now: Date };

/** Limits of runs are the policy's, and not budgets of the protocol. */
const SELECT = `
SELECT ${BUDGET_COLUMNS}, clock_timestamp() AS now FROM budget b
WHERE tenant = $1 AND (scope_path = $2 OR ($3 AND starts_with(scope_path, $2 || '/'))) AND unit = ANY ($4::text[]) AND run_limit IS NULL AND ($5::uuid IS NULL OR budget_id > $5)
ORDER BY budget_id LIMIT $6`;

/**
 * In the window of now. Figures are bigint and JSON integers here, so their text is put together, never a double of them.
 * The protocol: remaining = allocated - spent - reserved - debt, below 0 where more is owed than is left.
 */
const balanceText = (row: Row): string => {
  const { scopePath, unit, cap, held, committed, debt = 0n, overdraftLimit, overLimit = false } = budgetNow(budgetIn(row), row.now.getTime());
  const amount = (name: string, figure: bigint): string => `"${name}":${amountText(unit, figure)}`;
  const overdraft = overdraftLimit === undefined ? '' : `,${amount('overdraft_limit', overdraftLimit)}`;
  return `{"scope":"${scopePath}","scope_path":"${scopePath}",${amount('remaining', cap - held - committed - debt)},${amount('reserved', held)},${amount('spent', committed)},${amount('debt', debt)},${amount('allocated', cap)}${overdraft},"is_over_limit":${overLimit}}`;
};

/** Balances are for people who operate the tenant, also here; an agent learns whether it may, never what is left. */
@Controller('cycles/v1/balances')
@Allow('person:operator', 'person:admin', 'person:auditor')
export class CyclesBalancesHttp {
  constructor(private readonly database: Database) {}

  @Get()
  @Describe({ summary: 'Cycles: what is allocated, reserved, spent and left at a scope, and with include_children below it.', query: balancesQuery, answers: { 200: balancesResponse }, errors: CYCLES_ERRORS })
  async balances(@ShapedQuery(balancesQuery) query: BalancesQuery, @Caller() principal: Principal): Promise<Answer> {
    if (principal.type !== 'person') return problem('FORBIDDEN');
    if (LEVELS.every((level) => query[level] === undefined)) return problem('INVALID', 'one of tenant, workspace, app, workflow, agent, toolset is required');
    const size = pageSize(query.limit);
    const after = query.cursor === undefined ? null : shaped(uuid(), decodeCursor(query.cursor));
    const { rows } = await this.database.query<Row>(SELECT, [principal.tenant, scopePathOf(query, principal.tenant), query.include_children === true, UNITS, after, size + 1]);
    const shown = rows.slice(0, size);
    const last = rows.length > size ? shown.at(-1) : undefined;
    return answered(200, `{"balances":[${shown.map(balanceText).join(',')}],${last === undefined ? '' : `"next_cursor":"${encodeCursor(last.budget_id)}",`}"has_more":${last !== undefined}}`);
  }
}
