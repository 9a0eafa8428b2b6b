import { Injectable } from '@nestjs/common';
import { Database, pageOf, pageSize, type ListPage, type PersonPrincipal } from '@exequatur/service-kit';
import type { RequestStatus } from '../queue-view/queue-row.js';
import { Viewers, type Viewer } from '../queue-view/visibility.js';
import type { ListQuery } from './list-query.js';
import { moment } from './moment.js';
import { SavedViews } from './saved-views.js';
import { behindCursor, orderOf, positionOf, sortingOf, type SortedRow } from './sortings.js';

export { listQuery, type ListQuery } from './list-query.js';

export interface QueueEntry {
  readonly approval_id: string;
  readonly action_id: string;
  readonly status: RequestStatus;
  readonly version: number;
  readonly decision_summary: { readonly title: string; readonly why: string; readonly next_effect: string };
  readonly agent: string;
  readonly agent_owner: string | null;
  readonly run_id: string;
  readonly action_kind: string;
  readonly action_class: string | null;
  readonly risk_points: number;
  readonly policy_hash: string;
  readonly policy_version: number;
  readonly policy_rule_id: string;
  readonly arguments_hash: string;
  readonly view_hash: string;
  readonly opened_at: string;
  readonly expires_at: string;
  readonly on_timeout: string;
  /** stages in order; `stage` is the one that is answered now */
  readonly quorum: { readonly stage: number; readonly stages: readonly { readonly roles: readonly string[]; readonly quorum: number }[]; readonly approvals: readonly { readonly person: string; readonly role: string; readonly stage: number }[] };
  /** roles that may answer now: of the current stage, and the senior role after an escalation */
  readonly current_roles: readonly string[];
  readonly resolved_at: string | null;
  readonly decided_by: string | null;
  readonly environment: string | null;
  /** the same for requests that differ in their arguments and run alone */
  readonly group_key: string;
  /** a way to undo it is named; batches approve nothing without one */
  readonly has_reversal: boolean;
  readonly assigned_to: string | null;
  readonly assigned_until: string | null;
  readonly deferred_until: string | null;
  readonly asked: readonly string[];
  readonly open_questions: number;
  readonly sla_due_at: string | null;
  readonly edited_by: string | null;
  readonly emergency: 'to_review' | 'reviewed' | null;
}

interface Row extends SortedRow, Omit<QueueEntry, 'decision_summary' | 'quorum' | 'opened_at' | 'expires_at' | 'resolved_at' | 'assigned_until' | 'deferred_until' | 'sla_due_at' | 'policy_rule_id' | 'policy_version'> {
  readonly title: string;
  readonly why: string;
  readonly next_effect: string;
  readonly stages: QueueEntry['quorum']['stages'];
  readonly stage: number;
  readonly approvals: QueueEntry['quorum']['approvals'];
  readonly rule_id: string;
  readonly policy_version: string;
  readonly opened_at: Date;
  readonly expires_at: Date;
  readonly resolved_at: Date | null;
  readonly assigned_until: Date | null;
  readonly deferred_until: Date | null;
  readonly sla_due_at: Date | null;
}

/** The queue, from its read model alone: no sealed content is opened for a list. */
@Injectable()
export class ListRequests {
  constructor(
    private readonly database: Database,
    private readonly viewers: Viewers,
    private readonly saved: SavedViews,
  ) {}

  /** @throws Problem INVALID on a cursor that is none or of another sorting, NOT_FOUND for a view that this person has not saved */
  async list(person: PersonPrincipal, asked: ListQuery): Promise<ListPage<QueueEntry>> {
    const query = await this.withView(person, asked);
    const size = pageSize(query.limit);
    const { sql, values } = listStatement(await this.viewers.viewer(person), query);
    const { rows } = await this.database.query<Row>(sql, values);
    return pageOf(rows, size, (row) => positionOf(sortingOf(query), row), entryOf);
  }

  private async withView(person: PersonPrincipal, query: ListQuery): Promise<ListQuery> {
    return query.view === undefined ? query : { ...(await this.saved.query(person, query.view)), ...query };
  }

  /** How many requests this person could look at now; capped, since a count of everything is a scan. */
  async countOpen(person: PersonPrincipal, atMost: number): Promise<number> {
    const where = conditions(await this.viewers.viewer(person), {});
    const { rows } = await this.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM (SELECT 1 FROM approval_request WHERE ${where.sql} LIMIT ${Math.trunc(atMost)}) AS found`, where.values);
    return rows[0]?.n ?? 0;
  }

  /** Groups of open requests that differ in their arguments alone, the largest first. */
  async groups(person: PersonPrincipal, query: ListQuery): Promise<readonly QueueGroup[]> {
    const where = conditions(await this.viewers.viewer(person), await this.withView(person, query));
    const { rows } = await this.database.query<Omit<QueueGroup, 'first_expires_at'> & { readonly first_expires_at: Date }>(
      `SELECT group_key, action_kind, action_class, agent, environment, rule_id AS policy_rule_id, count(*)::int AS requests, min(expires_at) AS first_expires_at, bool_and(has_reversal) AS all_reversible
FROM approval_request WHERE ${where.sql} GROUP BY group_key, action_kind, action_class, agent, environment, rule_id ORDER BY requests DESC, group_key LIMIT ${MOST_GROUPS}`,
      where.values,
    );
    return rows.map((row) => ({ ...row, first_expires_at: row.first_expires_at.toISOString() }));
  }

  /** What waits, in numbers, for whoever asks. */
  async counts(person: PersonPrincipal, query: ListQuery): Promise<QueueCounts> {
    const where = conditions(await this.viewers.viewer(person), await this.withView(person, query));
    const { rows } = await this.database.query<QueueCounts>(
      `SELECT count(*)::int AS requests, count(*) FILTER (WHERE sla_due_at <= clock_timestamp())::int AS sla_due, count(*) FILTER (WHERE assigned_until > clock_timestamp())::int AS assigned,
count(*) FILTER (WHERE deferred_until > clock_timestamp())::int AS deferred, count(*) FILTER (WHERE open_questions > 0)::int AS waiting_for_answers FROM approval_request WHERE ${where.sql}`,
      where.values,
    );
    return rows[0] ?? { requests: 0, sla_due: 0, assigned: 0, deferred: 0, waiting_for_answers: 0 };
  }
}

const MOST_GROUPS = 100;

export interface QueueGroup {
  readonly group_key: string;
  readonly action_kind: string;
  readonly action_class: string | null;
  readonly agent: string;
  readonly environment: string | null;
  readonly policy_rule_id: string;
  readonly requests: number;
  readonly first_expires_at: string;
  readonly all_reversible: boolean;
}

export interface QueueCounts {
  readonly requests: number;
  readonly sla_due: number;
  readonly assigned: number;
  readonly deferred: number;
  readonly waiting_for_answers: number;
}

/** One page of the list and one row more, which says that there is another. */
export const listStatement = (viewer: Viewer, query: ListQuery): { readonly sql: string; readonly values: unknown[] } => {
  const where = conditions(viewer, query);
  return { sql: `SELECT * FROM approval_request WHERE ${where.sql} ORDER BY ${orderOf(sortingOf(query))} LIMIT ${pageSize(query.limit) + 1}`, values: where.values };
};

type Condition = readonly [holds: (place: string) => string, value: unknown];

/** Conditions on one value of the query each; what is not asked for is left out. */
const valueConditions = (query: ListQuery): readonly Condition[] => [
  [(place) => `status = ${place}`, query.status],
  [(place) => `action_kind = ${place}`, query.kind],
  [(place) => `action_class = ${place}`, query.class],
  [(place) => `agent = ${place}`, query.agent],
  [(place) => `run_id = ${place}`, query.run],
  [(place) => `group_key = ${place}`, query.group],
  [(place) => `${place} = ANY (current_roles)`, query.role],
  [(place) => `risk_points >= ${place}`, query.min_risk_points],
  [(place) => `risk_points <= ${place}`, query.max_risk_points],
  [(place) => `opened_at < ${place}::timestamptz`, query.opened_before === undefined ? undefined : moment(query.opened_before, '/opened_before')],
];

const conditions = (viewer: Viewer, query: ListQuery): { readonly sql: string; readonly values: unknown[] } => {
  const values: unknown[] = [viewer.tenant];
  const parts = ['tenant = $1'];
  const and = ([condition, value]: Condition): void => {
    values.push(value);
    parts.push(condition(`$${values.length}`));
  };
  if (query.to_review === true) parts.push("emergency = 'to_review'");
  else if (query.include_resolved !== true && query.status === undefined) parts.push("status = 'open'");
  for (const condition of valueConditions(query)) if (condition[1] !== undefined) and(condition);
  if (query.sla_due === true) parts.push('sla_due_at <= clock_timestamp()');
  if (query.hide_deferred === true) parts.push('(deferred_until IS NULL OR deferred_until <= clock_timestamp())');
  if (query.mine === true) and([(place) => `((assigned_to = ${place} AND assigned_until > clock_timestamp()) OR ${place} = ANY (asked))`, viewer.id]);
  if (!viewer.seesAll) {
    values.push([...viewer.roles, `@${viewer.id}`]);
    parts.push(`all_roles && $${values.length}::text[]`);
  }
  const behind = behindCursor(sortingOf(query), query.cursor, values.length + 1);
  if (behind !== undefined) {
    values.push(...behind.values);
    parts.push(behind.sql);
  }
  return { sql: parts.join(' AND '), values };
};

const entryOf = (row: Row): QueueEntry => ({
  approval_id: row.approval_id,
  action_id: row.action_id,
  status: row.status,
  version: row.version,
  decision_summary: { title: row.title, why: row.why, next_effect: row.next_effect },
  agent: row.agent,
  agent_owner: row.agent_owner,
  run_id: row.run_id,
  action_kind: row.action_kind,
  action_class: row.action_class,
  risk_points: row.risk_points,
  policy_hash: row.policy_hash,
  policy_version: Number(row.policy_version),
  policy_rule_id: row.rule_id,
  arguments_hash: row.arguments_hash,
  view_hash: row.view_hash,
  opened_at: row.opened_at.toISOString(),
  expires_at: row.expires_at.toISOString(),
  on_timeout: row.on_timeout,
  quorum: { stage: row.stage, stages: row.stages, approvals: row.approvals },
  resolved_at: row.resolved_at?.toISOString() ?? null,
  current_roles: row.current_roles,
  decided_by: row.decided_by,
  environment: row.environment,
  group_key: row.group_key,
  has_reversal: row.has_reversal,
  assigned_to: row.assigned_to,
  assigned_until: row.assigned_until?.toISOString() ?? null,
  deferred_until: row.deferred_until?.toISOString() ?? null,
  asked: row.asked,
  open_questions: row.open_questions,
  sla_due_at: row.sla_due_at?.toISOString() ?? null,
  edited_by: row.edited_by,
  emergency: row.emergency,
});
