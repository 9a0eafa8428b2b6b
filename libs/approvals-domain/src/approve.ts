import { intersectCaps } from '@exequatur/caps';
import type { Caps } from '@exequatur/contracts';
import { canonicalText, isRefusal, parseStrict, refuse, saltedHash } from '@exequatur/kernel';
import type { ApprovalEvent, OpenedContent, OpenState, Vote } from './approval.js';
import { stageAfter, stillVarying } from './evolve.js';
import { grantClaims } from './grant-claims.js';
import { checkVoteCaps, narrowArguments, narrowedPointers } from './narrowing.js';
import type { VoteCaps } from './narrowing.js';
import { ids } from './refusing.js';
import type { Decision, Refused } from './refusing.js';

export interface Approving {
  readonly content: OpenedContent;
  readonly caps?: VoteCaps;
  /** of the arguments that policy lets differ from use to use, those that this vote does; all of them when absent */
  readonly varies?: readonly string[];
  readonly rationale?: string;
  readonly dwellMs?: number;
}
type GrantedEvent = Extract<ApprovalEvent, { type: 'ApprovalGranted' }>;

/** What one approving vote accepts, before it is known whether it completes the quorum. */
interface Accepted {
  readonly voted: ApprovalEvent;
  readonly grant: (votes: readonly Vote[], tighter?: Caps) => GrantedEvent;
}

/** The vote; and, when it completes the last quorum, the grant. */
export const approve = (approving: Approving, now: number, state: OpenState, ballot: Vote): Decision => {
  const accepted = accept(approving, now, state, ballot);
  if (isRefusal(accepted)) return accepted as Refused;
  const votes = [...state.votes, ballot];
  const complete = stageAfter(state.request.demand.stages, votes) === state.request.demand.stages.length;
  return complete ? [accepted.voted, accepted.grant(votes)] : [accepted.voted];
};

export const accept = ({ content, caps = {}, varies, rationale, dwellMs }: Approving, now: number, state: OpenState, ballot: Vote): Accepted | Refused => {
  const { request, viewHash } = state;
  const proposed = parseStrict(content.proposal.arguments);
  const widens = checkVoteCaps(request, proposed, caps);
  if (widens !== undefined) return widens;
  const beyond = varies?.findIndex((pointer) => request.varies?.some((one) => one.pointer === pointer) !== true) ?? -1;
  if (beyond >= 0) return refuse('WIDENS_AUTHORITY', 'policy does not let this argument differ from use to use', `/varies/${beyond}`);
  const before = content.acceptedArguments === undefined ? proposed : parseStrict(content.acceptedArguments);
  const narrowing = narrowArguments(before, request.narrowable, intersectCaps(state.caps, caps));
  if (isRefusal(narrowing)) return narrowing as Refused;
  const grantedArguments = canonicalText(narrowing.granted_arguments);
  const grantedArgumentsHash = saltedHash(content.salt, Buffer.from(grantedArguments, 'utf8'));
  const recorded = recordableCaps(caps);
  const rationaleOf = rationale === undefined ? {} : { rationale };
  const voted = votedEvent(state, ballot, {
    vote: 'approve',
    grantedArgumentsHash,
    caps: recorded,
    ...(varies === undefined ? {} : { varies }),
    ...(dwellMs === undefined ? {} : { dwellMs }),
    sealed: { ...rationaleOf, ...(grantedArguments === content.proposal.arguments ? {} : { granted_arguments: grantedArguments }) },
  });
  const grant = (votes: readonly Vote[], tighter?: Caps): GrantedEvent => {
    const { varies: accepted } = stillVarying(state.varies, varies);
    // In an emergency one use is granted, and it runs on what was seen.
    const varying = tighter === undefined ? (request.varies ?? []).filter(({ pointer }) => accepted?.includes(pointer) !== false) : [];
    const claims = grantClaims({ request, viewHash, votes, caps: intersectCaps(intersectCaps(state.caps, recorded), tighter ?? {}), grantedArgumentsHash, grantedArguments: narrowing.granted_arguments, varies: varying, salt: content.salt, now, ...rationaleOf });
    return {
      type: 'ApprovalGranted',
      data: {
        ...ids(state),
        grant_id: claims.grant_id,
        approver_ids: [...new Set(votes.map(({ person }) => person))],
        vote_event_ids: votes.map(({ voteEventId }) => voteEventId),
        granted_arguments_hash: grantedArgumentsHash,
        arguments_hash: request.arguments_hash,
        narrowed: [...new Set([...narrowedPointers(request.narrowable, proposed, narrowing.granted_arguments), ...(state.edit?.pointers ?? [])])].slice(0, MOST_NARROWED),
        view_hash: viewHash,
        expires_at: claims.expires_at,
      },
      claims,
      sealed: { ...content.proposal, arguments: grantedArguments },
    };
  };
  return { voted, grant };
};

/** As many as the event holds. */
const MOST_NARROWED = 50;

/** A person's choice of addresses stays sealed, inside granted_arguments; the other caps may stand in the open. */
const recordableCaps = ({ allowed_recipients: _sealed, ...open }: VoteCaps): Caps => open;

interface VotedDetails {
  readonly vote: 'approve' | 'reject' | 'respond';
  readonly grantedArgumentsHash: string;
  readonly caps?: Caps;
  readonly varies?: readonly string[];
  readonly dwellMs?: number;
  readonly sealed?: { readonly rationale?: string; readonly granted_arguments?: string };
}

export const votedEvent = (state: OpenState, ballot: Vote, { vote: kind, grantedArgumentsHash, caps = {}, varies, dwellMs, sealed = {} }: VotedDetails): ApprovalEvent => ({
  type: 'ApprovalVoted',
  id: ballot.voteEventId,
  data: {
    ...ids(state),
    person: ballot.person,
    role: ballot.role,
    stage: ballot.stage,
    vote: kind,
    ...(Object.keys(caps).length === 0 ? {} : { caps }),
    ...(varies === undefined ? {} : { varies }),
    view_hash: state.viewHash,
    granted_arguments_hash: grantedArgumentsHash,
    ...(ballot.onBehalfOf === undefined ? {} : { on_behalf_of: ballot.onBehalfOf }),
    ...(dwellMs === undefined ? {} : { dwell_ms: dwellMs }),
  },
  ...(Object.keys(sealed).length === 0 ? {} : { sealed }),
});
