import { decisionSummary } from '@exequatur/approvals-domain';
import type { PgTransaction } from '@exequatur/event-store';
import { ApprovalOpened } from '@exequatur/contracts';
import { fromInstant, toInstant } from '@exequatur/kernel';
import { APPROVAL_LIMITS } from '../limits.js';
import { eventsOf, type RecordedApproval } from '../approval-stream/recorded-approval.js';

export const REQUEST_STATUSES = ['open', 'granted', 'rejected', 'answered', 'expired', 'cancelled', 'revoked'] as const;
export type RequestStatus = (typeof REQUEST_STATUSES)[number];

export const statusOf = ({ state }: RecordedApproval): RequestStatus => state.status.toLowerCase() as RequestStatus;

/** Values of the row, in the order of COLUMNS: a pure function of the stream, so a rebuilt queue equals the live one. */
const COLUMNS = [
  'tenant', 'approval_id', 'action_id', 'version', 'status', 'agent', 'agent_owner', 'run_id', 'action_kind', 'action_class', 'title', 'why', 'next_effect', 'risk_points',
  'stages', 'stage', 'approvals', 'current_roles', 'all_roles', 'on_timeout', 'policy_hash', 'policy_version', 'rule_id', 'arguments_hash', 'view_hash', 'opened_at', 'expires_at', 'resolved_at',
] as const;

const rowValues = (approval: RecordedApproval): Record<(typeof COLUMNS)[number], unknown> => {
  const { state, tenant, version, events } = approval;
  const { request } = state;
  const summary = decisionSummary(request);
  const resolved = state.status === 'Open' ? undefined : events.find((event) => event.version === version);
  return {
    tenant,
    approval_id: request.approval_id,
    action_id: request.action_id,
    version,
    status: statusOf(approval),
    agent: request.facts.agent,
    agent_owner: request.agent_owner ?? null,
    run_id: request.facts.run_id,
    action_kind: request.facts.action_kind,
    action_class: request.action_class ?? null,
    title: summary.title.slice(0, APPROVAL_LIMITS.summaryText),
    why: summary.why.slice(0, APPROVAL_LIMITS.summaryText),
    next_effect: summary.next_effect.slice(0, APPROVAL_LIMITS.summaryText),
    risk_points: request.facts.risk_points,
    stages: JSON.stringify(request.demand.stages),
    stage: state.stage,
    approvals: JSON.stringify(state.votes.map(({ person, role, stage }) => ({ person, role, stage }))),
    current_roles: request.demand.stages[state.stage]?.roles ?? [],
    all_roles: [...new Set(request.demand.stages.flatMap(({ roles }) => roles))],
    on_timeout: request.demand.on_timeout,
    policy_hash: request.policy_hash,
    policy_version: request.policy_version,
    rule_id: request.rule_id,
    arguments_hash: request.arguments_hash,
    view_hash: state.viewHash,
    opened_at: eventsOf(approval, ApprovalOpened)[0]?.envelope.time ?? null,
    // To the millisecond: a cursor carries no more.
    expires_at: toInstant(fromInstant(request.expires_at)),
    resolved_at: resolved?.envelope.time ?? null,
  };
};

const KEPT = COLUMNS.filter((column) => column !== 'tenant' && column !== 'approval_id');
const UPSERT = `INSERT INTO approval_request (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((_, index) => `$${index + 1}`).join(', ')})
ON CONFLICT (tenant, approval_id) DO UPDATE SET ${KEPT.map((column) => `${column} = excluded.${column}`).join(', ')}`;

/** Brings the queue's row up to the stream, in the transaction that appended to it. */
export const keepQueueRow = async (tx: PgTransaction, approval: RecordedApproval): Promise<void> => {
  const values = rowValues(approval);
  await tx.query(UPSERT, COLUMNS.map((column) => values[column]));
};
