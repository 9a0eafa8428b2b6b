import { intersectCaps } from '@exequatur/caps';
import type { Caps } from '@exequatur/contracts';
import { assertNever, canonicalText, isRefusal, parseStrict, refuse, saltedHash } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import type { ApprovalCommand, ApprovalEvent, ApprovalRefusalCode, ApprovalState, Vote, VoteCommand, Voter } from './approval.js';
import { stageAfter } from './evolve.js';
import { grantClaims, isPast } from './grant-claims.js';
import { checkVoteCaps, narrowArguments, narrowedPointers } from './narrowing.js';
import type { VoteCaps } from './narrowing.js';

type Refused = Refusal<ApprovalRefusalCode>;
type Decision = readonly ApprovalEvent[] | Refused;
type OpenState = Extract<ApprovalState, { status: 'Open' }>;

const refused = (code: ApprovalRefusalCode, detail?: string, pointer?: string): Refused => refuse(code, detail, pointer);

/** Roles that may take a grant back besides the roles of its stages. */
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
export const decide = (command: ApprovalCommand, state: ApprovalState): Decision => {
  switch (command.type) {
    case 'Open':
      return state.status === 'None' ? [{ type: 'ApprovalOpened', data: command.data.opened, sealed: command.data.sealed }] : [];
    case 'Vote':
      return vote(command, state);
    case 'Expire':
      if (state.status !== 'Open' || !isPast(state.request.expires_at, command.metadata.now)) return [];
      return [{ type: 'ApprovalExpired', data: { ...ids(state), on_timeout: state.request.demand.on_timeout, expires_at: state.request.expires_at } }];
    case 'Cancel':
      return state.status === 'Open' ? [{ type: 'ApprovalCancelled', data: { ...ids(state), reason: 'withdrawn' } }] : [];
    case 'Revoke':
      return revoke(command.data.voter, command.data.reason, state);
    default:
      return assertNever(command);
  }
};

const ids = ({ request }: Exclude<ApprovalState, { status: 'None' }>): { approval_id: string; action_id: string } => ({ approval_id: request.approval_id, action_id: request.action_id });

const vote = (command: VoteCommand, state: ApprovalState): Decision => {
  const { voter, viewHash } = command.data;
  if (state.status === 'None') return refused('NOT_FOUND');
  if (voter.type !== 'person') return refused('NOT_A_PERSON', 'an agent or a service can never decide');
  if (state.status === 'Expired') return refused('APPROVAL_EXPIRED');
  if (state.status !== 'Open') return refused('ALREADY_DECIDED', `the request is ${state.status.toLowerCase()}`);
  if (isPast(state.request.expires_at, command.metadata.now)) return refused('APPROVAL_EXPIRED');
  const ballot = eligibleVote(voter, state, command.metadata.voteEventId);
  if (isRefusal(ballot)) return ballot as Refused;
  if (viewHash !== state.viewHash) return refused('VIEW_CHANGED', 'this is not the card that stands in the request', '/view_hash');
  switch (command.data.vote) {
    case 'approve':
      return approve(command.data, command.metadata.now, state, ballot);
    case 'reject': {
      const { reasonCode, reason, instruction } = command.data;
      if (reason.trim() === '') return refused('REASON_REQUIRED', 'say why, the agent is told', '/reason');
      const voted = votedEvent(state, ballot, { vote: 'reject', grantedArgumentsHash: state.request.arguments_hash });
      return [voted, { type: 'ApprovalRejected', data: { ...ids(state), person: voter.id, reason_code: reasonCode, instruction, view_hash: viewHash }, sealed: { reason } }];
    }
    case 'respond': {
      const { response } = command.data;
      if (response.trim() === '') return refused('REASON_REQUIRED', 'the answer is what the agent gets instead of the tool’s result', '/response');
      const voted = votedEvent(state, ballot, { vote: 'respond', grantedArgumentsHash: state.request.arguments_hash });
      return [voted, { type: 'ApprovalAnswered', data: { ...ids(state), person: voter.id, view_hash: viewHash }, sealed: { response } }];
    }
    default:
      return assertNever(command.data);
  }
};

/** The vote this person may cast now, with the role it counts for. */
const eligibleVote = (voter: Voter, state: OpenState, voteEventId: string): Vote | Refused => {
  if (isRequester(voter, state)) return refused('SELF_APPROVAL');
  const roles = state.request.demand.stages[state.stage]?.roles ?? [];
  const role = voter.roles.find((each) => roles.includes(each));
  if (role === undefined) return refused('NOT_ELIGIBLE', `stage ${state.stage + 1} needs one of: ${roles.join(', ')}`);
  const earlier = state.votes.filter(({ person }) => person === voter.id);
  if (earlier.some(({ stage }) => state.request.demand.distinct || stage === state.stage)) return refused('ALREADY_VOTED', 'each person counts once');
  return { person: voter.id, role, stage: state.stage, voteEventId };
};

const isRequester = (voter: Voter, { request }: OpenState): boolean => voter.id === request.agent_owner || voter.id === request.facts.agent;

type ApproveData = Extract<VoteCommand['data'], { vote: 'approve' }>;

const approve = ({ content, caps = {}, rationale, viewHash }: ApproveData, now: number, state: OpenState, ballot: Vote): Decision => {
  const { request } = state;
  const proposed = parseStrict(content.proposal.arguments);
  const widens = checkVoteCaps(request, proposed, caps);
  if (widens !== undefined) return widens;
  const before = content.acceptedArguments === undefined ? proposed : parseStrict(content.acceptedArguments);
  const narrowing = narrowArguments(before, request.narrowable, intersectCaps(state.caps, caps));
  if (isRefusal(narrowing)) return narrowing as Refused;
  const grantedArguments = canonicalText(narrowing.granted_arguments);
  const grantedArgumentsHash = saltedHash(content.salt, Buffer.from(grantedArguments, 'utf8'));
  const recorded = recordableCaps(caps);
  const voted = votedEvent(state, ballot, {
    vote: 'approve',
    grantedArgumentsHash,
    caps: recorded,
    sealed: { ...(rationale === undefined ? {} : { rationale }), ...(grantedArguments === content.proposal.arguments ? {} : { granted_arguments: grantedArguments }) },
  });
  const votes = [...state.votes, ballot];
  if (stageAfter(request.demand.stages, votes) < request.demand.stages.length) return [voted];
  const claims = grantClaims({ request, viewHash, votes, caps: intersectCaps(state.caps, recorded), grantedArgumentsHash, salt: content.salt, now, ...(rationale === undefined ? {} : { rationale }) });
  return [
    voted,
    {
      type: 'ApprovalGranted',
      data: {
        ...ids(state),
        grant_id: claims.grant_id,
        approver_ids: [...new Set(votes.map(({ person }) => person))],
        vote_event_ids: votes.map(({ voteEventId }) => voteEventId),
        granted_arguments_hash: grantedArgumentsHash,
        arguments_hash: request.arguments_hash,
        narrowed: narrowedPointers(request.narrowable, proposed, narrowing.granted_arguments),
        view_hash: viewHash,
        expires_at: claims.expires_at,
      },
      claims,
      sealed: { ...content.proposal, arguments: grantedArguments },
    },
  ];
};

/** A person's choice of addresses stays sealed, inside granted_arguments; the other caps may stand in the open. */
const recordableCaps = ({ allowed_recipients: _sealed, ...open }: VoteCaps): Caps => open;

interface VotedDetails {
  readonly vote: 'approve' | 'reject' | 'respond';
  readonly grantedArgumentsHash: string;
  readonly caps?: Caps;
  readonly sealed?: { readonly rationale?: string; readonly granted_arguments?: string };
}

const votedEvent = (state: OpenState, ballot: Vote, { vote: kind, grantedArgumentsHash, caps = {}, sealed = {} }: VotedDetails): ApprovalEvent => ({
  type: 'ApprovalVoted',
  id: ballot.voteEventId,
  data: {
    ...ids(state),
    person: ballot.person,
    role: ballot.role,
    stage: ballot.stage,
    vote: kind,
    ...(Object.keys(caps).length === 0 ? {} : { caps }),
    view_hash: state.viewHash,
    granted_arguments_hash: grantedArgumentsHash,
  },
  ...(Object.keys(sealed).length === 0 ? {} : { sealed }),
});

/** Taking authority back is never self-approval: the owner of the agent may, when a role lets them. */
const revoke = (voter: Voter, reason: string, state: ApprovalState): Decision => {
  if (state.status === 'None') return refused('NOT_FOUND');
  if (voter.type !== 'person') return refused('NOT_A_PERSON', 'an agent or a service can never decide');
  const roles = [...REVOKING_ROLES, ...state.request.demand.stages.flatMap((stage) => stage.roles)];
  if (!voter.roles.some((role) => roles.includes(role))) return refused('NOT_ELIGIBLE', `needs one of: ${roles.join(', ')}`);
  if (state.status === 'Open') return refused('CONFLICT', 'nothing is granted yet: reject the request instead');
  if (state.status !== 'Granted') return refused('ALREADY_DECIDED', `the request is ${state.status.toLowerCase()}`);
  if (reason.trim() === '') return refused('REASON_REQUIRED', 'say why', '/reason');
  return [{ type: 'GrantRevoked', data: { ...ids(state), grant_id: state.request.approval_id, person: voter.id }, sealed: { reason } }];
};
