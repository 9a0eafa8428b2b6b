import { intersectCaps } from '@exequatur/caps';
import { assertNever } from '@exequatur/kernel';
import type { ApprovalEvent, ApprovalState, Vote } from './approval.js';
import { requestOf } from './request-facts.js';

export const initialState = (): ApprovalState => ({ status: 'None' });

export const evolve = (state: ApprovalState, event: ApprovalEvent): ApprovalState => {
  if (event.type === 'ApprovalOpened') {
    const request = requestOf(event.data);
    return { status: 'Open', request, viewHash: event.data.view_hash, votes: [], stage: 0, caps: request.caps ?? {} };
  }
  if (state.status === 'None') return state;
  switch (event.type) {
    case 'ApprovalVoted': {
      // A rejecting or answering vote ends the request with the next event; it counts towards no quorum.
      if (event.data.vote !== 'approve') return state;
      const votes = [...state.votes, { person: event.data.person, role: event.data.role, stage: event.data.stage, voteEventId: event.id }];
      return { ...state, votes, stage: stageAfter(state.request.demand.stages, votes), caps: intersectCaps(state.caps, event.data.caps ?? {}) };
    }
    case 'ApprovalGranted':
      return { ...state, status: 'Granted', grantExpiresAt: event.data.expires_at };
    case 'ApprovalRejected':
      return { ...state, status: 'Rejected' };
    case 'ApprovalAnswered':
      return { ...state, status: 'Answered' };
    case 'ApprovalExpired':
      return { ...state, status: 'Expired' };
    case 'ApprovalCancelled':
      return { ...state, status: 'Cancelled' };
    case 'GrantRevoked':
      return { ...state, status: 'Revoked' };
    default:
      return assertNever(event);
  }
};

/** The first stage whose quorum is not met; the number of stages when all are. */
export const stageAfter = (stages: readonly { readonly quorum: number }[], votes: readonly Vote[]): number => {
  const open = stages.findIndex(({ quorum }, stage) => votes.filter((vote) => vote.stage === stage).length < quorum);
  return open === -1 ? stages.length : open;
};
