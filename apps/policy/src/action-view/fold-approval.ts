import type { ApprovalAnswered, ApprovalGranted, ApprovalRejected, DataOf, EventEnvelope } from '@exequatur/contracts';
import { sealedPart } from './action-view.js';
import type { ActionView } from './action-view.js';
import { moved } from './status-order.js';

const EXPIRED = 'Nobody decided in time; propose again if it is still needed.';

/** How people decided: facts of the approvals topic. */
export const foldApproval = (view: ActionView, name: string, event: EventEnvelope): ActionView => {
  const part = sealedPart(event);
  switch (name) {
    case 'ApprovalGranted':
      return granted(view, event as EventEnvelope<DataOf<typeof ApprovalGranted>>);
    case 'ApprovalRejected': {
      const data = event.data as DataOf<typeof ApprovalRejected>;
      const rejection = { person: data.person, reason_code: data.reason_code, instruction: data.instruction };
      return { ...view, status: moved(view.status, 'rejected'), why: { ...view.why, approval: { stop_reason: 'approval_rejected', instruction: data.instruction } }, rejection, sealed: { ...view.sealed, ...(part === undefined ? {} : { rejection: part }) } };
    }
    case 'ApprovalAnswered': {
      const { person } = event.data as DataOf<typeof ApprovalAnswered>;
      return { ...view, status: moved(view.status, 'answered'), answered_by: person, sealed: { ...view.sealed, ...(part === undefined ? {} : { response: part }) } };
    }
    case 'ApprovalExpired':
      return { ...view, status: moved(view.status, 'expired'), why: { ...view.why, approval: { code: 'APPROVAL_EXPIRED', stop_reason: 'approval_timeout', instruction: EXPIRED } } };
    case 'ApprovalCancelled':
      return { ...view, status: moved(view.status, 'cancelled'), why: { ...view.why, approval: { stop_reason: 'cancelled' } } };
    case 'GrantRevoked':
      return { ...view, status: moved(view.status, 'cancelled'), why: { ...view.why, approval: { code: 'GRANT_REVOKED', stop_reason: 'cancelled' } } };
    default:
      return view;
  }
};

const granted = (view: ActionView, event: EventEnvelope<DataOf<typeof ApprovalGranted>>): ActionView => {
  const part = sealedPart(event);
  const { data } = event;
  return {
    ...view,
    status: moved(view.status, 'granted'),
    grant_id: data.grant_id,
    grant: data.grant,
    granted_arguments_hash: data.granted_arguments_hash,
    narrowed: data.narrowed,
    expires_at: data.expires_at,
    sealed: { ...view.sealed, ...(part === undefined ? {} : { granted: part }) },
  };
};
