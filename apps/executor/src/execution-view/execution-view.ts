import { count, instant, name, object, oneOf, optional, text, tool, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { DEFAULT_RUNTIME_MS, notExecutedFrom } from '@exequatur/executor-domain';
import { toInstant } from '@exequatur/kernel';
import { problem } from '@exequatur/service-kit';
import type { Queryable } from '@exequatur/service-kit';

export const EXECUTION_STATUSES = ['requested', 'started', 'succeeded', 'failed', 'unknown', 'reconciled', 'skipped'] as const;

export const executionShape = object({
  execution_id: uuid(),
  tenant: name(),
  action_id: uuid(),
  grant_id: uuid(),
  use_no: count(),
  agent: name(),
  /** a use of another agent's grant: whose, and under which delegation */
  granted_to: optional(name()),
  delegation_id: optional(uuid()),
  tool,
  status: oneOf(...EXECUTION_STATUSES),
  attempt: count(),
  /** why it waits: the code of the last refusal that may pass, or of the fault */
  waiting_for: optional(text(60)),
  /** why it failed, was skipped, or is not known */
  code: optional(text(60)),
  reconciled_as: optional(oneOf('executed', 'not_executed')),
  reservation_id: optional(uuid()),
  execute_by: optional(instant()),
  provider_request_id: optional(text(300)),
  /** of an unknown one: from when on "not executed" may be said of it */
  not_executed_from: optional(instant()),
  /** how often its tool was asked, what it said last, and when it is asked again */
  asks: optional(count()),
  tool_said: optional(text(60)),
  ask_at: optional(instant()),
  requested_at: instant(),
  started_at: optional(instant()),
  ended_at: optional(instant()),
});
export type ExecutionView = Shape<typeof executionShape>;

export interface ExecutionViewRow {
  readonly [column: string]: unknown;
  readonly position: string;
  readonly execution_id: string;
  readonly tenant: string;
  readonly action_id: string;
  readonly grant_id: string;
  readonly use_no: number;
  readonly agent: string;
  readonly granted_to: string | null;
  readonly delegation_id: string | null;
  readonly tool_name: string;
  readonly tool_version: string;
  readonly status: ExecutionView['status'];
  readonly attempt: number;
  readonly waiting_for: string | null;
  readonly code: string | null;
  readonly reconciled_as: 'executed' | 'not_executed' | null;
  readonly reservation_id: string | null;
  readonly execute_by: Date | null;
  readonly provider_request_id: string | null;
  readonly max_runtime_ms: string | null;
  readonly asks: number;
  readonly tool_said: string | null;
  readonly ask_at: Date | null;
  readonly requested_at: Date;
  readonly started_at: Date | null;
  readonly ended_at: Date | null;
}

export const VIEW_COLUMNS =
  'position, execution_id, tenant, action_id, grant_id, use_no, agent, granted_to, delegation_id, tool_name, tool_version, status, attempt, waiting_for, code, reconciled_as, reservation_id, execute_by, provider_request_id, max_runtime_ms, asks, tool_said, ask_at, requested_at, started_at, ended_at';

export const shownExecution = (row: ExecutionViewRow): ExecutionView => ({
  execution_id: row.execution_id,
  tenant: row.tenant,
  action_id: row.action_id,
  grant_id: row.grant_id,
  use_no: row.use_no,
  agent: row.agent,
  ...(row.granted_to === null ? {} : { granted_to: row.granted_to }),
  ...(row.delegation_id === null ? {} : { delegation_id: row.delegation_id }),
  tool: { name: row.tool_name, version: row.tool_version },
  status: row.status,
  attempt: row.attempt,
  ...(row.waiting_for === null ? {} : { waiting_for: row.waiting_for }),
  ...(row.code === null ? {} : { code: row.code }),
  ...(row.reconciled_as === null ? {} : { reconciled_as: row.reconciled_as }),
  ...(row.reservation_id === null ? {} : { reservation_id: row.reservation_id }),
  ...(row.execute_by === null ? {} : { execute_by: row.execute_by.toISOString() }),
  ...(row.provider_request_id === null ? {} : { provider_request_id: row.provider_request_id }),
  ...unknownOf(row),
  requested_at: row.requested_at.toISOString(),
  ...(row.started_at === null ? {} : { started_at: row.started_at.toISOString() }),
  ...(row.ended_at === null ? {} : { ended_at: row.ended_at.toISOString() }),
});

/** What whoever settles it wants to know. */
const unknownOf = (row: ExecutionViewRow): Pick<ExecutionView, 'not_executed_from' | 'asks' | 'tool_said' | 'ask_at'> => {
  if (row.status !== 'unknown') return {};
  const from = row.execute_by === null ? undefined : notExecutedFrom(row.execute_by.getTime(), Number(row.max_runtime_ms ?? DEFAULT_RUNTIME_MS));
  return {
    ...(from === undefined ? {} : { not_executed_from: toInstant(from) }),
    asks: row.asks,
    ...(row.tool_said === null ? {} : { tool_said: row.tool_said }),
    ...(row.ask_at === null ? {} : { ask_at: row.ask_at.toISOString() }),
  };
};

/** `agent` null: whatever its agent. An agent also sees what others run of its grants. */
export interface Visible {
  readonly tenant: string;
  readonly agent: string | null;
}

/** @throws Problem NOT_FOUND, also for what the caller may not see */
export const oneExecution = async (db: Queryable, { tenant, agent }: Visible, executionId: string): Promise<ExecutionView> => {
  const { rows } = await db.query<ExecutionViewRow>(`SELECT ${VIEW_COLUMNS} FROM execution WHERE tenant = $1 AND execution_id = $2 AND ($3::text IS NULL OR agent = $3 OR granted_to = $3)`, [tenant, executionId, agent]);
  return rows[0] === undefined ? problem('NOT_FOUND') : shownExecution(rows[0]);
};
