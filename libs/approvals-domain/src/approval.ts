import type {
  ApprovalAnnotated, ApprovalAnswered, ApprovalAssigned, ApprovalCancelled, ApprovalDeferred, ApprovalEdited, ApprovalEscalated, ApprovalExpired, ApprovalGranted, ApprovalOpened, ApprovalRejected, ApprovalReminded, ApprovalVoted, CanaryAnswered, Caps,
  CheckpointStored, Code, DataOf, EditProposed, EmergencyReviewed, GlassBroken, Grant, GrantRevoked, InformationGiven, InformationRequested, RevocationTookEffect, SealedOf, SealedProposal, VoteLapsed,
} from '@exequatur/contracts';
import type { CardContext } from './card-context.js';
import type { OpenedData, RequestFacts } from './request-facts.js';
import type { VoteCaps } from './narrowing.js';

/** One accepted vote. `person` is a natural person: the directory maps accounts to people before anybody votes. */
export interface Vote {
  readonly person: string;
  readonly role: string;
  readonly stage: number;
  readonly voteEventId: string;
  /** who lent the role */
  readonly onBehalfOf?: string;
}

/** What every state past None knows. `caps` are what policy and the votes so far accept together. */
export interface Requested {
  readonly request: RequestFacts;
  readonly viewHash: string;
  readonly votes: readonly Vote[];
  /** the stage that is being answered, from 0 */
  readonly stage: number;
  readonly caps: Caps;
  /** of what policy lets differ from use to use, what all votes so far do; all of it when absent */
  readonly varies?: readonly string[];
  /** until when it can be decided; an escalation in time's name moves it, once */
  readonly expiresAt: string;
  /** who may or should answer besides the roles of the stage */
  readonly escalation: { readonly roles: readonly string[]; readonly people: readonly string[]; readonly overtime: boolean };
  /** the SLA has been answered with a reminder or an escalation */
  readonly reminded: boolean;
  readonly assigned?: { readonly person: string; readonly until: string };
  readonly deferred?: { readonly person: string; readonly until: string };
  readonly questions: readonly { readonly id: string; readonly answered: boolean }[];
  /** who remarked, one entry a remark */
  readonly annotators: readonly string[];
  readonly edit?: { readonly person: string; readonly pointers: readonly string[] };
  /** who broke the glass, and whether somebody else has looked at it since */
  readonly emergency?: { readonly person: string; readonly reviewed: boolean };
  /** parked runs stored so far */
  readonly checkpoints: number;
  /** planted to see whether it is noticed; the first decision ends it and never gives authority */
  readonly canary?: { readonly plantedBy: string; readonly answered?: { readonly person: string; readonly noticed: boolean } };
  /** reservations holds the tombstone of the revoked grant */
  readonly revocationEffective?: true;
  /** the person whose decision ended it */
  readonly decidedBy?: string;
}

export type ApprovalState =
  | { readonly status: 'None' }
  | ({ readonly status: 'Open' } & Requested)
  | ({ readonly status: 'Granted'; readonly grantExpiresAt: string } & Requested)
  | ({ readonly status: 'Rejected' | 'Answered' | 'Expired' | 'Cancelled' | 'Revoked' } & Requested);
export type OpenState = Extract<ApprovalState, { status: 'Open' }>;

/** A role of somebody else that this person may vote with today. Only roles that `from` holds themselves are lent. */
export interface LentRole {
  readonly role: string;
  readonly from: string;
  /** as of a voter */
  readonly actedFor?: boolean;
}

/** Who asks. Only `person` can ever decide; the rest is refused as NOT_A_PERSON. */
export interface Voter {
  readonly type: 'person' | 'agent' | 'service' | 'root';
  readonly id: string;
  readonly roles: readonly string[];
  readonly lent?: readonly LentRole[];
  /** The agent acts for this person: an account of theirs stands in its token's chain. */
  readonly actedFor?: boolean;
}

/** Content that is sealed at rest, opened by the caller for this decision. */
export interface OpenedContent {
  readonly salt: Uint8Array;
  readonly proposal: SealedProposal;
  readonly context: CardContext;
  /** canonical arguments as a person edited them, when one did */
  readonly editedArguments?: string;
  /** canonical arguments that the votes so far accept: of the last vote that narrowed or edited, else absent */
  readonly acceptedArguments?: string;
}

export interface Metadata {
  /** Unix ms of the database's clock, read after all locks */
  readonly now: number;
}
export interface VoteMetadata extends Metadata {
  /** id of the ApprovalVoted that may come of this */
  readonly voteEventId: string;
}
interface Ballot {
  readonly voter: Voter;
  /** of the card this person was shown */
  readonly viewHash: string;
  /** since this person first saw it */
  readonly dwellMs?: number;
}

export type VoteCommand =
  | { readonly type: 'Vote'; readonly metadata: VoteMetadata; readonly data: Ballot & { readonly vote: 'approve'; readonly content: OpenedContent; readonly rationale?: string; readonly caps?: VoteCaps; readonly varies?: readonly string[] } }
  | { readonly type: 'Vote'; readonly metadata: VoteMetadata; readonly data: Ballot & { readonly vote: 'reject'; readonly reasonCode: string; /** what the tenant rejects with */ readonly reasonCodes?: readonly string[]; readonly reason: string; readonly instruction: 'abort' | 'reroute' | 'escalate' } }
  | { readonly type: 'Vote'; readonly metadata: VoteMetadata; readonly data: Ballot & { readonly vote: 'respond'; readonly response: string } };

/**
 * Other arguments: within what was proposed with the editor's approving vote on them, where their role lets them; beyond it, if
 * they say so, as an action of its own that policy decides on.
 */
export interface EditCommand {
  readonly type: 'Edit';
  readonly metadata: VoteMetadata;
  readonly data: Ballot & { readonly content: OpenedContent; readonly arguments: string; readonly rationale?: string; readonly asNewAction?: boolean };
}

export interface BreakGlassCommand {
  readonly type: 'BreakGlass';
  readonly metadata: VoteMetadata;
  readonly data: Ballot & { readonly content: OpenedContent; readonly reason: string; readonly caps?: VoteCaps };
}

/** What moves a request along without deciding it. */
export type SteeringCommand =
  | { readonly type: 'Defer'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly until: string; readonly reason?: string } }
  | { readonly type: 'Assign'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly until: string } }
  | { readonly type: 'Escalate'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly toRole?: string; readonly toPerson?: string; readonly reason?: string } }
  | { readonly type: 'RequestInformation'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly questionId: string; readonly question: string } }
  | { readonly type: 'GiveInformation'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly questionId: string; readonly answer: string; readonly content: OpenedContent } }
  | { readonly type: 'Annotate'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly source: string; readonly score?: string; readonly text: string; readonly content: OpenedContent } };

export type ApprovalCommand =
  | { readonly type: 'Open'; readonly metadata: Metadata; readonly data: { readonly opened: OpenedData; readonly sealed: SealedOf<typeof ApprovalOpened> } }
  | VoteCommand
  | EditCommand
  | BreakGlassCommand
  | SteeringCommand
  /** strikes votes whose people may no longer vote, and takes back a grant that stands on one; `voters` as the directory knows them now */
  | { readonly type: 'Recheck'; readonly metadata: Metadata; readonly data: { readonly voters: readonly Voter[] } }
  /** the deadline: escalates for a second term where policy says so, else ends the request */
  | { readonly type: 'Expire'; readonly metadata: Metadata }
  /** what is due before the deadline: the SLA, and requests that were put off */
  | { readonly type: 'Remind'; readonly metadata: Metadata }
  | { readonly type: 'Cancel'; readonly metadata: Metadata }
  | { readonly type: 'Revoke'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly reason: string } }
  /** reservations holds the tombstone */
  | { readonly type: 'ConfirmRevocation'; readonly metadata: Metadata }
  | { readonly type: 'Review'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly judgement: 'justified' | 'not_justified'; readonly words: string } }
  | { readonly type: 'StoreCheckpoint'; readonly metadata: Metadata; readonly data: { readonly voter: Voter; readonly hash: string; readonly sizeBytes: number } };

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
  | { readonly type: 'GrantRevoked'; readonly data: DataOf<typeof GrantRevoked>; readonly sealed?: SealedOf<typeof GrantRevoked> }
  | { readonly type: 'ApprovalEdited'; readonly data: DataOf<typeof ApprovalEdited>; readonly sealed?: SealedOf<typeof ApprovalEdited> }
  | { readonly type: 'VoteLapsed'; readonly data: DataOf<typeof VoteLapsed> }
  | { readonly type: 'ApprovalDeferred'; readonly data: DataOf<typeof ApprovalDeferred>; readonly sealed?: SealedOf<typeof ApprovalDeferred> }
  | { readonly type: 'ApprovalEscalated'; readonly data: DataOf<typeof ApprovalEscalated>; readonly sealed?: SealedOf<typeof ApprovalEscalated> }
  | { readonly type: 'ApprovalAssigned'; readonly data: DataOf<typeof ApprovalAssigned> }
  | { readonly type: 'ApprovalReminded'; readonly data: DataOf<typeof ApprovalReminded> }
  | { readonly type: 'InformationRequested'; readonly data: DataOf<typeof InformationRequested>; readonly sealed?: SealedOf<typeof InformationRequested> }
  | { readonly type: 'InformationGiven'; readonly data: DataOf<typeof InformationGiven>; readonly sealed?: SealedOf<typeof InformationGiven> }
  | { readonly type: 'ApprovalAnnotated'; readonly data: DataOf<typeof ApprovalAnnotated>; readonly sealed?: SealedOf<typeof ApprovalAnnotated> }
  | { readonly type: 'GlassBroken'; readonly data: DataOf<typeof GlassBroken>; readonly sealed?: SealedOf<typeof GlassBroken> }
  | { readonly type: 'EmergencyReviewed'; readonly data: DataOf<typeof EmergencyReviewed>; readonly sealed?: SealedOf<typeof EmergencyReviewed> }
  | { readonly type: 'RevocationTookEffect'; readonly data: DataOf<typeof RevocationTookEffect> }
  | { readonly type: 'EditProposed'; readonly data: DataOf<typeof EditProposed>; readonly sealed?: SealedOf<typeof EditProposed> }
  | { readonly type: 'CanaryAnswered'; readonly data: DataOf<typeof CanaryAnswered> }
  | { readonly type: 'CheckpointStored'; readonly data: DataOf<typeof CheckpointStored> };

export type ApprovalRefusalCode = Extract<
  Code,
  'SELF_APPROVAL' | 'NOT_ELIGIBLE' | 'NOT_A_PERSON' | 'ALREADY_VOTED' | 'ALREADY_DECIDED' | 'APPROVAL_EXPIRED' | 'VIEW_CHANGED' | 'WIDENS_AUTHORITY' | 'REASON_REQUIRED' | 'NOT_FOUND' | 'CONFLICT'
>;
