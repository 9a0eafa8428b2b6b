import { createHash } from 'node:crypto';
import { currentRoles, decisionSummary, rolesOf, slaDue, type RequestFacts } from '@exequatur/approvals-domain';
import { ApprovalAnswered, ApprovalCancelled, ApprovalExpired, ApprovalGranted, ApprovalOpened, ApprovalRejected, CanaryAnswered, GrantRevoked } from '@exequatur/contracts';
import type { EventDefinition } from '@exequatur/contracts';
import type { PgTransaction, RecordedEvent } from '@exequatur/event-store';
import { canonicalText, fromInstant, toInstant } from '@exequatur/kernel';
import { APPROVAL_LIMITS } from '../limits.js';
import { keepVotesCast } from '../review-quality/votes-cast.js';
import { eventsOf, type RecordedApproval } from '../approval-stream/recorded-approval.js';

export const REQUEST_STATUSES = ['open', 'granted', 'rejected', 'answered', 'expired', 'cancelled', 'revoked'] as const;
/** In the place of a unit where there is no amount: sorts behind every unit. */
export const NO_AMOUNT = '~';

export type RequestStatus = (typeof REQUEST_STATUSES)[number];

export const statusOf = ({ state }: RecordedApproval): RequestStatus => state.status.toLowerCase() as RequestStatus;

/** Values of the row, in the order of COLUMNS: a pure function of the stream, so a rebuilt queue equals the live one. */
const COLUMNS = [
  'tenant', 'approval_id', 'action_id', 'version', 'status', 'agent', 'agent_owner', 'run_id', 'action_kind', 'action_class', 'title', 'why', 'next_effect', 'risk_points',
  'stages', 'stage', 'approvals', 'current_roles', 'all_roles', 'on_timeout', 'policy_hash', 'policy_version', 'rule_id', 'arguments_hash', 'view_hash', 'opened_at', 'expires_at', 'resolved_at',
  'environment', 'group_key', 'has_reversal', 'assigned_to', 'assigned_until', 'deferred_until', 'asked', 'open_questions', 'sla_due_at', 'remind_at', 'edited_by', 'decided_by', 'emergency', 'revocation',
  'amount_unit', 'amount', 'planted_by', 'planted_noticed', 'follows',
] as const;

const rowValues = (approval: RecordedApproval): Record<(typeof COLUMNS)[number], unknown> => {
  const { state, tenant, version } = approval;
  const { request } = state;
  const summary = decisionSummary(request);
  const resolved = state.status === 'Open' ? undefined : endOf(approval);
  const sla = slaDue(state);
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
    current_roles: currentRoles(state),
    // One index finds both: roles, and people asked by name as @name, which no role begins with.
    all_roles: [...rolesOf(state), ...state.escalation.people.map((person) => `@${person}`)],
    on_timeout: request.demand.on_timeout,
    policy_hash: request.policy_hash,
    policy_version: request.policy_version,
    rule_id: request.rule_id,
    arguments_hash: request.arguments_hash,
    view_hash: state.viewHash,
    opened_at: eventsOf(approval, ApprovalOpened)[0]?.envelope.time ?? null,
    // To the millisecond: a cursor carries no more.
    expires_at: toInstant(fromInstant(state.expiresAt)),
    resolved_at: resolved?.envelope.time ?? null,
    environment: request.facts.environment ?? null,
    group_key: groupKey(request),
    has_reversal: request.facts.has_reversal,
    assigned_to: state.assigned?.person ?? null,
    assigned_until: state.assigned?.until ?? null,
    deferred_until: state.deferred?.until ?? null,
    asked: state.escalation.people,
    open_questions: state.questions.filter(({ answered }) => !answered).length,
    sla_due_at: sla === undefined ? null : toInstant(sla),
    remind_at: remindAt(state, sla),
    edited_by: state.edit?.person ?? null,
    decided_by: state.decidedBy ?? null,
    emergency: state.emergency === undefined ? null : state.emergency.reviewed ? 'reviewed' : 'to_review',
    revocation: state.status !== 'Revoked' ? null : state.revocationEffective === true ? 'effective' : 'asked',
    amount_unit: request.facts.amounts[0]?.unit ?? NO_AMOUNT,
    amount: request.facts.amounts[0]?.amount ?? '0',
    planted_by: state.canary?.plantedBy ?? null,
    planted_noticed: state.canary?.answered?.noticed ?? null,
    follows: request.follows ?? null,
  };
};

/** The event that ended the request, or took its grant back; whatever came after it changed nothing of that. */
export const endOf = ({ events }: RecordedApproval): RecordedEvent | undefined => events.filter(({ envelope }) => ENDS.some(({ type }) => type === envelope.type)).at(-1);
const ENDS: readonly EventDefinition[] = [ApprovalGranted, ApprovalRejected, ApprovalAnswered, ApprovalExpired, ApprovalCancelled, GrantRevoked, CanaryAnswered];

/** Requests that differ in nothing but their arguments and run: what a batch decides at once. */
export const groupKey = ({ facts, rule_id, demand }: RequestFacts): string =>
  createHash('sha256')
    .update(canonicalText({ kind: facts.action_kind, tool: facts.tool.name, version: facts.tool.version, agent: facts.agent, environment: facts.environment ?? '', rule: rule_id, roles: demand.stages.map(({ roles }) => roles.join(',')) }))
    .digest('hex')
    .slice(0, 32);

const remindAt = (state: RecordedApproval['state'], sla: number | undefined): string | null => {
  if (state.status !== 'Open') return null;
  const due = [...(sla === undefined || state.reminded ? [] : [sla]), ...(state.deferred === undefined ? [] : [fromInstant(state.deferred.until)])];
  return due.length === 0 ? null : toInstant(Math.min(...due));
};

const KEPT = COLUMNS.filter((column) => column !== 'tenant' && column !== 'approval_id');
const UPSERT = `INSERT INTO approval_request (${COLUMNS.join(', ')}) VALUES (${COLUMNS.map((_, index) => `$${index + 1}`).join(', ')})
ON CONFLICT (tenant, approval_id) DO UPDATE SET ${KEPT.map((column) => `${column} = excluded.${column}`).join(', ')}`;

/** Brings the queue's row up to the stream, in the transaction that appended to it. */
export const keepQueueRow = async (tx: PgTransaction, approval: RecordedApproval): Promise<void> => {
  const values = rowValues(approval);
  await tx.query(UPSERT, COLUMNS.map((column) => values[column]));
  await keepVotesCast(tx, approval);
};
