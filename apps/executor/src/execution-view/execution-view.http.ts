import { Controller, Get } from '@nestjs/common';
import { count, instant, list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { actingTenant, Allow, Caller, Database, decodeCursor, Describe, pageFields, pageOf, pageSize, problem, shaped, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { EXECUTION_STATUSES, executionShape, oneExecution, shownExecution, VIEW_COLUMNS } from './execution-view.js';
import type { ExecutionViewRow, Visible } from './execution-view.js';

const listShape = object({
  ...pageFields,
  tenant: optional(name()),
  status: optional(oneOf(...EXECUTION_STATUSES)),
  action_id: optional(uuid()),
  agent: optional(name()),
  tool: optional(name()),
  /** why it failed, was skipped, or is not known */
  code: optional(name()),
  reconciled_as: optional(oneOf('executed', 'not_executed')),
  /** ended before: those that have been unknown for long */
  ended_before: optional(instant()),
});
/** The shape takes times that no calendar has. */
const calendarInstant = (text: string | undefined): Date | null => {
  if (text === undefined) return null;
  const instant = new Date(text);
  return Number.isNaN(instant.getTime()) ? problem('INVALID', undefined, [{ pointer: '/ended_before', expected: 'an instant that exists' }]) : instant;
};

const oneShape = object({ tenant: optional(name()) });
const pageShape = object({ items: list(executionShape, 200), next_cursor: optional(text(500)) });

/** Agents see what was executed for them and of their grants, people of the tenant everything, root the tenant it names. */
const visibleTo = (principal: Principal, tenant: string | undefined): Visible => ({ tenant: actingTenant(principal, tenant), agent: principal.type === 'agent' ? principal.id : null });

@Controller('v1/executions')
@Allow('agent', 'person:operator', 'person:admin', 'person:auditor', 'root')
export class ExecutionViewHttp {
  constructor(private readonly database: Database) {}

  @Get(':id')
  @Describe({ summary: 'One execution: where it stands, and why.', query: oneShape, answers: { 200: executionShape }, codes: ['NOT_FOUND'] })
  one(@ShapedPath('id', uuid()) id: string, @ShapedQuery(oneShape) query: Shape<typeof oneShape>, @Caller() principal: Principal): Promise<unknown> {
    return oneExecution(this.database, visibleTo(principal, query.tenant), id);
  }

  @Get()
  @Describe({ summary: 'Executions, newest first.', query: listShape, answers: { 200: pageShape } })
  async list(@ShapedQuery(listShape) query: Shape<typeof listShape>, @Caller() principal: Principal): Promise<unknown> {
    const { tenant, agent } = visibleTo(principal, query.tenant);
    const before = query.cursor === undefined ? null : shaped(count(), decodeCursor(query.cursor));
    const size = pageSize(query.limit);
    const { rows } = await this.database.query<ExecutionViewRow>(
      `SELECT ${VIEW_COLUMNS} FROM execution
       WHERE tenant = $1 AND ($2::text IS NULL OR agent = $2 OR granted_to = $2) AND ($3::text IS NULL OR agent = $3) AND ($4::text IS NULL OR status = $4)
         AND ($5::uuid IS NULL OR action_id = $5) AND ($6::bigint IS NULL OR position < $6)
         AND ($8::text IS NULL OR tool_name = $8) AND ($9::text IS NULL OR code = $9) AND ($10::text IS NULL OR reconciled_as = $10) AND ($11::timestamptz IS NULL OR ended_at < $11)
       ORDER BY position DESC LIMIT $7`,
      [tenant, agent, query.agent ?? null, query.status ?? null, query.action_id ?? null, before, size + 1, query.tool ?? null, query.code ?? null, query.reconciled_as ?? null, calendarInstant(query.ended_before)],
    );
    return pageOf(rows, size, ({ position }) => Number(position), shownExecution);
  }
}
