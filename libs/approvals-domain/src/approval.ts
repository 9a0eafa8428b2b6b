import type { ApprovalAnswered, ApprovalCancelled, ApprovalExpired, ApprovalGranted, ApprovalOpened, ApprovalRejected, ApprovalVoted, Caps, Code, DataOf, Grant, GrantRevoked, SealedOf, SealedProposal } from '@exequatur/contracts';
import type { OpenedData, RequestFacts } from './request-facts.js';
import type { VoteCaps } from './narrowing.js';

/** One accepted vote. `person` is a natural person: the directory maps accounts to people before anybody votes. */
export interface Vote {
  readonly person: string;
  readonly role: string;
  readonly stage: number;
  readonly voteEventId: string;
}

/** What every state past None knows. `caps` and `grantedArgumentsHash` are what the votes so far accept together. */
interface Requested {
  readonly request: RequestFacts;
  readonly viewHash: string;
  readonly votes: readonly Vote[];
  /** the stage that is being answered, from 0 */
  readonly stage: number;
  readonly caps: Caps;
}

export type ApprovalState =
  | { readonly status: 'None' }
  | ({ readonly status: 'Open' } & Requested)
  | ({ readonly status: 'Granted'; readonly grantExpiresAt: string } & Requested)
  | ({ readonly status: 'Rejected' | 'Answered' | 'Expired' | 'Cancelled' | 'Revoked' } & Requested);

/** Who asks. Only `person` can ever decide; the rest is refused as NOT_A_PERSON. */
export interface Voter {
  readonly type: 'person' | 'agent' | 'service' | 'root';
  readonly id: string;
  readonly roles: readonly string[];
}

/** Content that is sealed at rest, opened by the caller for this decision. */
export interface OpenedContent {
  readonly salt: Uint8Array;
  readonly proposal: SealedProposal;
  /** canonical arguments that the votes so far accept: of the last vote that narrowed, else absent */
  readonly acceptedArguments?: string;
}

interface Metadata {
  /** Unix ms of the database's clock, read after all locks */
  readonly now: number;
}
interface VoteMetadata extends Metadata {
  /** id of the ApprovalVoted that may come of this */
  readonly voteEventId: string;
}
interface Ballot {
  readonly voter: Voter;
  /** of the card this person was shown */
  readonly viewHash: string;
}

export type VoteCommand =
  | { readonly type: 'Vote'; readonly metadata: VoteMetadata; readonly data: Ballot & { readonly vote: 'approve'; readonly content: OpenedContent; readonly rationale?: string; readonly caps?: VoteCaps } }
  | { readonly type: 'Vote'; readonly metadata: VoteMetadata; readonly data: Ballot & { readonly vote: 'reject'; readonly reasonCode: string; readonly reason: string; readonly instruction: 'abort' | 'reroute' | 'escalate' } }
  | { readonly type: 'Vote'; readonly metadata: VoteMetadata; readonly data: Ballot & { readonly vote: 'respond'; readonly response: string } };

export type ApprovalCommand =
  | { readonly type: 'Open'; readonly metadata: Metadata; readonly data: { readonly opened: OpenedData; readonly sealed: SealedOf<typeof ApprovalOpened> } }
  | VoteCommand
  | { readonly type: 'Expire'; readonly metadata: Metadata }
  | { readonly type: 'Cancel'; readonly metadata: Metadata }
  | { readonly type: 'Revoke'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly reason: string } };

/**
 * Facts about one request. `sealed` is plaintext here; the caller encrypts it. ApprovalGranted holds the claims, which the
 * caller signs: a decider has no keys.
 */
export type ApprovalEvent =
  | { readonly type: 'ApprovalOpened'; readonly data: OpenedData; readonly sealed?: SealedOf<typeof ApprovalOpened> }
  | { readonly type: 'ApprovalVoted'; readonly id: string; readonly data: DataOf<typeof ApprovalVoted>; readonly sealed?: SealedOf<typeof ApprovalVoted> }
  | { readonly type: 'ApprovalGranted'; readonly data: Omit<DataOf<typeof ApprovalGranted>, 'grant'>; readonly claims?: Grant; readonly sealed?: SealedOf<typeof ApprovalGranted> }
  | { readonly type: 'ApprovalRejected'; readonly data: DataOf<typeof ApprovalRejected>; readonly sealed?: SealedOf<typeof ApprovalRejected> }
  | { readonly type: 'ApprovalAnswered'; readonly data: DataOf<typeof ApprovalAnswered>; readonly sealed?: SealedOf<typeof ApprovalAnswered> }
  | { readonly type: 'ApprovalExpired'; readonly data: DataOf<typeof ApprovalExpired> }
  | { readonly type: 'ApprovalCancelled'; readonly data: DataOf<typeof ApprovalCancelled> }
  | { readonly type: 'GrantRevoked'; readonly data: DataOf<typeof GrantRevoked>; readonly sealed?: SealedOf<typeof GrantRevoked> };

export type ApprovalRefusalCode = Extract<
  Code,
  'SELF_APPROVAL' | 'NOT_ELIGIBLE' | 'NOT_A_PERSON' | 'ALREADY_VOTED' | 'ALREADY_DECIDED' | 'APPROVAL_EXPIRED' | 'VIEW_CHANGED' | 'WIDENS_AUTHORITY' | 'REASON_REQUIRED' | 'NOT_FOUND' | 'CONFLICT'
>;
