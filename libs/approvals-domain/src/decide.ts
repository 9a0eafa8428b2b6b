import { assertNever, isRefusal } from '@exequatur/kernel';
import type { ApprovalCommand, ApprovalState, VoteCommand, Voter } from './approval.js';
import { approve, votedEvent } from './approve.js';
import { breakGlass, review } from './break-glass.js';
import { answerCanary } from './canary.js';
import { edit } from './edit-arguments.js';
import { ballotOf, recheck } from './eligible-vote.js';
import { rolesOf } from './evolve.js';
import { howDecided, ids, notAPerson, refused } from './refusing.js';
import type { Decision, Refused } from './refusing.js';
import { expire, remind, steer } from './steer.js';

/** Roles that may take a grant back besides those that take part in the request. */
const REVOKING_ROLES: readonly string[] = ['operator', 'admin'];

/**
 * Decides about one approval request.
 *
 * Quorums of several votes: **caps intersect**. Each vote accepts what the votes before it accepted, narrowed by its own
 * caps; so the last voter accepts exactly what is granted, and everybody before accepted that or more. Whoever votes later
 * on an older version of the request is refused as stale by If-Match before this is asked.
 *
 * Stages are answered in order. One reject or respond of an eligible person ends the request.
 */
export const decide = (command: ApprovalCommand, state: ApprovalState): Decision => answerCanary(command, state, decideAsAsked(command, state));

const decideAsAsked = (command: ApprovalCommand, state: ApprovalState): Decision => {
  switch (command.type) {
    case 'Open':
      return state.status === 'None' ? [{ type: 'ApprovalOpened', data: command.data.opened, sealed: command.data.sealed }] : [];
    case 'Vote':
      return vote(command, state);
    case 'Edit':
      return edit(command, state);
    case 'BreakGlass':
      return breakGlass(command, state);
    case 'Defer':
    case 'Assign':
    case 'Escalate':
    case 'RequestInformation':
    case 'GiveInformation':
    case 'Annotate':
      return steer(command, state);
    case 'Recheck':
      return recheck(state, command.data.voters, command.metadata.now);
    case 'Expire':
      return expire(state, command.metadata.now);
    case 'Remind':
      return remind(state, command.metadata.now);
    case 'Cancel':
      return state.status === 'Open' ? [{ type: 'ApprovalCancelled', data: { ...ids(state), reason: 'withdrawn' } }] : [];
    case 'Revoke':
      return revoke(command.data.voter, command.data.reason, state);
    case 'ConfirmRevocation':
      return state.status === 'Revoked' && state.revocationEffective !== true ? [{ type: 'RevocationTookEffect', data: { ...ids(state), grant_id: state.request.approval_id } }] : [];
    case 'Review':
      return review(command, state);
    case 'StoreCheckpoint':
      return storeCheckpoint(command.data, state);
    default:
      return assertNever(command);
  }
};

const vote = ({ data, metadata }: VoteCommand, state: ApprovalState): Decision => {
  const ballot = ballotOf(state, data.voter, data.viewHash, metadata);
  if (isRefusal(ballot)) return ballot as Refused;
  const { open, vote: cast } = ballot as Exclude<typeof ballot, Refused>;
  const unchanged = { grantedArgumentsHash: open.request.arguments_hash, ...(data.dwellMs === undefined ? {} : { dwellMs: data.dwellMs }) };
  switch (data.vote) {
    case 'approve':
      return approve(data, metadata.now, open, cast);
    case 'reject': {
      const { reasonCode, reason, instruction } = data;
      if (data.reasonCodes !== undefined && !data.reasonCodes.includes(reasonCode)) return refused('REASON_REQUIRED', `reject with one of: ${data.reasonCodes.join(', ')}`, '/reason_code');
      if (reason.trim() === '') return refused('REASON_REQUIRED', 'say why, the agent is told', '/reason');
      return [votedEvent(open, cast, { vote: 'reject', ...unchanged }), { type: 'ApprovalRejected', data: { ...ids(open), person: data.voter.id, reason_code: reasonCode, instruction, view_hash: data.viewHash }, sealed: { reason } }];
    }
    case 'respond': {
      const { response } = data;
      if (response.trim() === '') return refused('REASON_REQUIRED', 'the answer is what the agent gets instead of the tool’s result', '/response');
      return [votedEvent(open, cast, { vote: 'respond', ...unchanged }), { type: 'ApprovalAnswered', data: { ...ids(open), person: data.voter.id, view_hash: data.viewHash }, sealed: { response } }];
    }
    default:
      return assertNever(data);
  }
};

/** Taking authority back is never self-approval: the owner of the agent may, when a role lets them. */
const revoke = (voter: Voter, reason: string, state: ApprovalState): Decision => {
  if (state.status === 'None') return refused('NOT_FOUND');
  const noPerson = notAPerson(voter);
  if (noPerson !== undefined) return noPerson;
  const roles = [...REVOKING_ROLES, ...rolesOf(state)];
  if (!voter.roles.some((role) => roles.includes(role))) return refused('NOT_ELIGIBLE', `needs one of: ${roles.join(', ')}`);
  if (state.status === 'Open') return refused('CONFLICT', 'nothing is granted yet: reject the request instead');
  if (state.status !== 'Granted') return refused('ALREADY_DECIDED', howDecided(state));
  if (reason.trim() === '') return refused('REASON_REQUIRED', 'say why', '/reason');
  return [{ type: 'GrantRevoked', data: { ...ids(state), grant_id: state.request.approval_id, person: voter.id }, sealed: { reason } }];
};

/** Stored one after the other on one request; the newest counts. */
const MOST_CHECKPOINTS = 20;

/** Only the agent whose action it is parks its run here, and only while it waits. */
const storeCheckpoint = ({ voter, hash, sizeBytes }: Extract<ApprovalCommand, { type: 'StoreCheckpoint' }>['data'], state: ApprovalState): Decision => {
  if (state.status === 'None' || voter.type !== 'agent' || voter.id !== state.request.facts.agent) return refused('NOT_FOUND');
  if (state.status !== 'Open') return refused('ALREADY_DECIDED', howDecided(state));
  if (state.checkpoints >= MOST_CHECKPOINTS) return refused('CONFLICT', `${MOST_CHECKPOINTS} checkpoints were stored already`);
  return [{ type: 'CheckpointStored', data: { ...ids(state), agent: voter.id, run_id: state.request.facts.run_id, checkpoint_hash: hash, size_bytes: sizeBytes } }];
};
