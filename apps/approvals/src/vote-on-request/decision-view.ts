import { ApprovalGranted } from '@exequatur/contracts';
import type { DataOf, Shape } from '@exequatur/contracts';
import { eventsOf, type RecordedApproval } from '../approval-stream/recorded-approval.js';
import { statusOf } from '../queue-view/queue-row.js';
import type { decisionAnswer } from './ballots.js';

/** How a request stands after a decision. */
export const decisionView = (approval: RecordedApproval): Shape<typeof decisionAnswer> => {
  const { state } = approval;
  const granted = eventsOf(approval, ApprovalGranted)[0]?.envelope.data as DataOf<typeof ApprovalGranted> | undefined;
  const stage = state.status === 'Open' ? state.request.demand.stages[state.stage] : undefined;
  return {
    approval_id: state.request.approval_id,
    action_id: state.request.action_id,
    status: statusOf(approval),
    version: approval.version,
    approvals_given: state.votes.length,
    approvals_missing: stage === undefined ? 0 : stage.quorum - state.votes.filter((vote) => vote.stage === state.stage).length,
    arguments_hash: state.request.arguments_hash,
    view_hash: state.viewHash,
    ...(state.status === 'Open' ? { decide_by: state.expiresAt } : {}),
    ...(state.status !== 'Open' || state.assigned === undefined ? {} : { assigned_to: state.assigned.person }),
    ...(state.emergency === undefined ? {} : { emergency: true }),
    ...(state.status === 'Revoked' ? { revocation: state.revocationEffective === true ? ('effective' as const) : ('asked' as const) } : {}),
    ...(granted === undefined ? {} : { grant_id: granted.grant_id, granted_arguments_hash: granted.granted_arguments_hash, narrowed: granted.narrowed, expires_at: granted.expires_at }),
  };
};
