import { Controller, Get } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import { Allow, Answer, Caller, Database, decodeCursor, Describe, encodeCursor, pageSize, problem, shaped, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { amountText, answered } from './cycles-answer.js';
import { balancesResponse, CYCLES_ERRORS } from './cycles-responses.js';
import { balancesQuery, LEVELS, UNITS } from './cycles-shapes.js';
import type { BalancesQuery } from './cycles-shapes.js';
import { scopePathOf } from './scope-of-subject.js';

interface Row {
  readonly budget_id: string;
  readonly scope_path: string;
  readonly unit: string;
  readonly cap: string;
  readonly held: string;
  readonly committed: string;
  readonly remaining: string;
}

const SELECT = `
SELECT budget_id, scope_path, unit, cap, held, committed, cap - held - committed AS remaining FROM budget
WHERE tenant = $1 AND (scope_path = $2 OR ($3 AND starts_with(scope_path, $2 || '/'))) AND unit = ANY ($4::text[]) AND ($5::uuid IS NULL OR budget_id > $5)
ORDER BY budget_id LIMIT $6`;

/** Figures are bigint in the database and JSON integers here, so their text is put together, never a double of them. */
const balanceText = ({ scope_path, unit, cap, held, committed, remaining }: Row): string => {
  const amount = (name: string, text: string): string => `"${name}":${amountText(unit, BigInt(text))}`;
  return `{"scope":"${scope_path}","scope_path":"${scope_path}",${amount('remaining', remaining)},${amount('reserved', held)},${amount('spent', committed)},${amount('allocated', cap)}}`;
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
