import { isRefusal } from '@exequatur/kernel';
import type { ApprovalEvent, ApprovalState, OpenState, Vote, Voter } from './approval.js';
import { currentRoles } from './evolve.js';
import { isPast } from './grant-claims.js';
import { asksForIt, ids, notAPerson, openRequest, refused } from './refusing.js';
import type { Refused } from './refusing.js';

/** An open request and the vote that this person may cast on it now. */
export interface Ballot {
  readonly open: OpenState;
  readonly vote: Vote;
}

/** Everything about a vote that does not depend on what is voted. */
export const ballotOf = (state: ApprovalState, voter: Voter, viewHash: string, metadata: { readonly now: number; readonly voteEventId: string }): Ballot | Refused => {
  if (state.status === 'None') return refused('NOT_FOUND');
  const noPerson = notAPerson(voter);
  if (noPerson !== undefined) return noPerson;
  const open = openRequest(state, metadata.now);
  if (isRefusal(open)) return open as Refused;
  const vote = eligibleVote(voter, open, metadata.voteEventId);
  if (isRefusal(vote)) return vote as Refused;
  return viewChanged(viewHash, open) ?? { open, vote };
};

export const viewChanged = (viewHash: string, open: OpenState): Refused | undefined => (viewHash === open.viewHash ? undefined : refused('VIEW_CHANGED', 'this is not the card that stands in the request', '/view_hash'));

/** The vote this person may cast now, with the role it counts for: their own, else one that was lent to them. */
export const eligibleVote = (voter: Voter, state: OpenState, voteEventId: string): Vote | Refused => {
  if (asksForIt(voter, state)) return refused('SELF_APPROVAL');
  const roles = currentRoles(state);
  const role = voter.roles.find((each) => roles.includes(each));
  if (role !== undefined) return hasCounted(voter.id, state) ? alreadyVoted() : { person: voter.id, role, stage: state.stage, voteEventId };
  return lentVote(voter, state, roles, voteEventId);
};

/** Whoever lends a role counts as having voted with it: one person, one vote, whoever holds the pen. */
const lentVote = (voter: Voter, state: OpenState, roles: readonly string[], voteEventId: string): Vote | Refused => {
  const lent = (voter.lent ?? []).filter(({ role }) => roles.includes(role));
  if (lent.length === 0) return refused('NOT_ELIGIBLE', `stage ${state.stage + 1} needs one of: ${roles.join(', ')}`);
  const others = lent.filter(({ from: id, ...rest }) => !asksForIt({ id, ...rest }, state));
  if (others.length === 0) return refused('SELF_APPROVAL', 'the role was lent by the requester');
  const free = others.find(({ from }) => !hasCounted(from, state));
  if (free === undefined || hasCounted(voter.id, state)) return alreadyVoted();
  return { person: voter.id, role: free.role, stage: state.stage, voteEventId, onBehalfOf: free.from };
};

const alreadyVoted = (): Refused => refused('ALREADY_VOTED', 'each person counts once');

const hasCounted = (person: string, { votes, request, stage }: OpenState): boolean => votes.some((vote) => (vote.person === person || vote.onBehalfOf === person) && (request.demand.distinct || vote.stage === stage));

/**
 * Votes whose people may no longer cast them: the role is gone, or the loan of it. While the request is open they are struck
 * before others are counted; a grant that stands on one is taken back. What was granted in an emergency stood on no quorum.
 */
export const recheck = (state: ApprovalState, voters: readonly Voter[], now: number): readonly ApprovalEvent[] => {
  if (state.status === 'Granted') {
    const lost = state.emergency === undefined && !isPast(state.grantExpiresAt, now) ? state.votes.find((vote) => !stillHolds(vote, voters)) : undefined;
    return lost === undefined ? [] : [{ type: 'GrantRevoked', data: { ...ids(state), grant_id: state.request.approval_id, person: lost.person, cause: 'role_lost' }, sealed: { reason: `${lost.person} no longer has the role ${lost.role}` } }];
  }
  if (state.status !== 'Open') return [];
  return state.votes.filter((vote) => !stillHolds(vote, voters)).map((vote) => ({ type: 'VoteLapsed', data: { ...ids(state), person: vote.person, vote_event_id: vote.voteEventId, reason: 'role_lost' } }));
};

const stillHolds = ({ person, role, onBehalfOf }: Vote, voters: readonly Voter[]): boolean => {
  const voter = voters.find(({ id }) => id === person);
  if (voter === undefined) return false;
  return onBehalfOf === undefined ? voter.roles.includes(role) : (voter.lent ?? []).some((lent) => lent.role === role && lent.from === onBehalfOf);
};
