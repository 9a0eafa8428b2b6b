import { Injectable } from '@nestjs/common';
import { instant, name, object, oneOf, optional, truth, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Database, decodeCursor, pageFields, pageOf, pageSize, shaped, type ListPage, type PersonPrincipal } from '@exequatur/service-kit';
import type { RequestStatus } from '../queue-view/queue-row.js';
import { seesAll } from '../queue-view/visibility.js';

export const listQuery = object({
  ...pageFields,
  include_resolved: optional(truth()),
  kind: optional(name()),
  class: optional(name()),
  role: optional(name()),
  agent: optional(name()),
  run: optional(name()),
  /** `deadline`: what expires first stands first */
  sort: optional(oneOf('deadline')),
});
export type ListQuery = Shape<typeof listQuery>;

const cursorShape = object({ expires_at: instant(), approval_id: uuid() });

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
  readonly resolved_at: string | null;
}

interface Row extends Omit<QueueEntry, 'decision_summary' | 'quorum' | 'opened_at' | 'expires_at' | 'resolved_at' | 'policy_rule_id' | 'policy_version'> {
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
}

/** The queue, from its read model alone: no sealed content is opened for a list. */
@Injectable()
export class ListRequests {
  constructor(private readonly database: Database) {}

  /** @throws Problem INVALID on a cursor that is none */
  async list(person: PersonPrincipal, query: ListQuery): Promise<ListPage<QueueEntry>> {
    const size = pageSize(query.limit);
    const where = conditions(person, query);
    const { rows } = await this.database.query<Row>(`SELECT * FROM approval_request WHERE ${where.sql} ORDER BY expires_at, approval_id LIMIT ${size + 1}`, where.values);
    return pageOf(rows, size, (row) => ({ expires_at: row.expires_at.toISOString(), approval_id: row.approval_id }), entryOf);
  }

  /** How many requests this person could look at now; capped, since a count of everything is a scan. */
  async countOpen(person: PersonPrincipal, atMost: number): Promise<number> {
    const where = conditions(person, {});
    const { rows } = await this.database.query<{ n: number }>(`SELECT count(*)::int AS n FROM (SELECT 1 FROM approval_request WHERE ${where.sql} LIMIT ${Math.trunc(atMost)}) AS found`, where.values);
    return rows[0]?.n ?? 0;
  }
}

const conditions = (person: PersonPrincipal, query: ListQuery): { readonly sql: string; readonly values: unknown[] } => {
  const values: unknown[] = [person.tenant];
  const parts = ['tenant = $1'];
  const and = (condition: (place: string) => string, value: unknown): void => {
    values.push(value);
    parts.push(condition(`$${values.length}`));
  };
  if (query.include_resolved !== true) parts.push("status = 'open'");
  if (query.kind !== undefined) and((place) => `action_kind = ${place}`, query.kind);
  if (query.class !== undefined) and((place) => `action_class = ${place}`, query.class);
  if (query.agent !== undefined) and((place) => `agent = ${place}`, query.agent);
  if (query.run !== undefined) and((place) => `run_id = ${place}`, query.run);
  if (query.role !== undefined) and((place) => `${place} = ANY (current_roles)`, query.role);
  if (!seesAll(person)) and((place) => `all_roles && ${place}::text[]`, person.roles);
  const position = decodeCursor(query.cursor);
  if (position !== undefined) {
    const after = shaped(cursorShape, position);
    values.push(after.expires_at, after.approval_id);
    parts.push(`(expires_at, approval_id) > ($${values.length - 1}::timestamptz, $${values.length}::uuid)`);
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
});
