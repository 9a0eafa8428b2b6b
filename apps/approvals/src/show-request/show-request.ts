import { Injectable } from '@nestjs/common';
import { ApprovalAnswered, ApprovalGranted, ApprovalRejected, ApprovalVoted, CanaryAnswered, EmergencyReviewed, GrantRevoked, RevocationTookEffect } from '@exequatur/contracts';
import type { DataOf, EventDefinition, SealedOf } from '@exequatur/contracts';
import { argumentChanges, currentRoles, narrowedPointers, visibleText, type Card, type RequestFacts } from '@exequatur/approvals-domain';
import type { RecordedEvent } from '@exequatur/event-store';
import { parseStrict, readPointer } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { Database, problem, type PersonPrincipal } from '@exequatur/service-kit';
import type { ApprovalContent } from '../approval-stream/approval-content.js';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import { eventsOf, type RecordedApproval } from '../approval-stream/recorded-approval.js';
import { RejectionReasons } from '../reject-reasons/rejection-reasons.js';
import { Looks } from '../look-at-request/looks.js';
import { endOf, statusOf, type RequestStatus } from '../queue-view/queue-row.js';
import { maySee, Viewers, type Viewer } from '../queue-view/visibility.js';

export interface ShownVote {
  readonly person: string;
  readonly role: string;
  readonly stage: number;
  readonly vote: 'approve' | 'reject' | 'respond';
  readonly at: string;
  readonly rationale?: string;
  readonly granted_arguments_hash: string;
  /** who lent the role */
  readonly on_behalf_of?: string;
  /** no longer counts: for earlier arguments, or its person lost the role */
  readonly void?: true;
}

export interface NarrowedValue {
  readonly pointer: string;
  readonly proposed: string;
  readonly accepted: string;
}

/** How it ended, in the words of whoever ended it; null while open. */
export interface Resolution {
  readonly at: string;
  readonly person?: string;
  readonly reason_code?: string;
  readonly instruction?: string;
  readonly text?: string;
  readonly grant_id?: string;
  readonly grant_expires_at?: string;
  /** of a revocation: since when nothing can be consumed from the grant; absent until reservations has confirmed it */
  readonly effective_at?: string;
  /** it was planted; nothing would ever have run */
  readonly canary?: { readonly noticed: boolean };
}

/** One request with everything an approver may see. */
export interface ShownRequest {
  readonly approval_id: string;
  readonly action_id: string;
  readonly status: RequestStatus;
  readonly version: number;
  readonly card: Card | null;
  readonly view_hash: string;
  readonly renderer: string;
  readonly arguments_hash: string;
  readonly policy_hash: string;
  readonly policy_version: number;
  readonly policy_rule_id: string;
  readonly expires_at: string;
  readonly on_timeout: string;
  readonly quorum: { readonly stage: number; readonly stages: readonly { readonly roles: readonly string[]; readonly quorum: number }[]; readonly approvals: readonly { readonly person: string; readonly role: string; readonly stage: number }[] };
  readonly current_roles: readonly string[];
  readonly votes: readonly ShownVote[];
  /** what the votes so far, or policy, changed in the arguments */
  readonly narrowed: readonly NarrowedValue[];
  readonly assigned: { readonly person: string; readonly until: string } | null;
  readonly deferred: { readonly person: string; readonly until: string } | null;
  readonly escalated_to: { readonly roles: readonly string[]; readonly people: readonly string[] };
  /** in the words of people, and what the agent side answered */
  readonly questions: readonly { readonly question_id: string; readonly asked_by: string; readonly question: string; readonly answer?: string }[];
  /** an approval outside the quorum, and how it was judged since */
  readonly emergency: { readonly person: string; readonly reviewed: boolean; readonly judgement?: string; readonly reviewed_by?: string; readonly words?: string } | null;
  readonly resolution: Resolution | null;
  /** the action whose arguments a person changed into these, and that person, who counts as a requester */
  readonly follows?: string;
  readonly edited_by?: string;
}

/** What pages need besides: the request's facts and the arguments as they would run, for the fields of the forms. */
export interface RequestInDetail {
  readonly shown: ShownRequest;
  readonly request: RequestFacts;
  readonly viewer: Viewer;
  /** what the tenant rejects with */
  readonly reasonCodes: readonly string[];
  /** proposed, or as a person edited them; absent once erased */
  readonly proposed?: JsonValue;
}

@Injectable()
export class ShowRequest {
  constructor(
    private readonly streams: ApprovalStreams,
    private readonly database: Database,
    private readonly viewers: Viewers,
    private readonly looks: Looks,
    private readonly reasons: RejectionReasons,
  ) {}

  /** The first look of a person is remembered. @throws Problem NOT_FOUND, also for another tenant's request and for one this person may not see */
  async show(person: PersonPrincipal, approvalId: string): Promise<RequestInDetail> {
    const viewer = await this.viewers.viewer(person);
    const detail = await this.database.snapshot(async (tx) => {
      const approval = (await this.streams.load(tx, person.tenant, approvalId)) ?? problem('NOT_FOUND');
      const { request, escalation } = approval.state;
      if (!maySee(viewer, [...request.demand.stages.flatMap(({ roles }) => roles), ...escalation.roles], escalation.people)) problem('NOT_FOUND');
      const content = await this.streams.content(approval, tx);
      return { shown: shownRequest(approval, content), request, viewer, reasonCodes: (await this.reasons.of(person.tenant, tx)).codes, ...argumentsOf(content) };
    });
    await this.looks.looked(person, approvalId);
    return detail;
  }
}

const argumentsOf = (content: ApprovalContent | undefined): { readonly proposed?: JsonValue } => (content === undefined ? {} : { proposed: parseStrict(content.editedArguments ?? content.proposal.arguments) });

export const shownRequest = (approval: RecordedApproval, content: ApprovalContent | undefined): ShownRequest => {
  const { state } = approval;
  const { request } = state;
  return {
    approval_id: request.approval_id,
    action_id: request.action_id,
    status: statusOf(approval),
    version: approval.version,
    card: content === undefined ? null : (JSON.parse(content.card) as Card),
    view_hash: state.viewHash,
    renderer: content?.renderer ?? '',
    arguments_hash: request.arguments_hash,
    policy_hash: request.policy_hash,
    policy_version: request.policy_version,
    policy_rule_id: request.rule_id,
    expires_at: state.expiresAt,
    on_timeout: request.demand.on_timeout,
    quorum: { stage: state.stage, stages: request.demand.stages, approvals: state.votes.map(({ person, role, stage }) => ({ person, role, stage })) },
    current_roles: currentRoles(state),
    votes: votesOf(approval, content),
    narrowed: narrowedOf(approval, content),
    assigned: state.assigned ?? null,
    deferred: state.deferred ?? null,
    escalated_to: { roles: state.escalation.roles, people: state.escalation.people },
    questions: (content?.context.exchanges ?? []).map(({ question_id, asked_by, question, answer }) => ({ question_id, asked_by, question: visible(question), ...(answer === undefined ? {} : { answer: visible(answer) }) })),
    emergency: emergencyOf(approval, content),
    resolution: state.status === 'Open' ? null : resolutionOf(approval, content),
    ...(request.follows === undefined ? {} : { follows: request.follows }),
    ...(request.edited_by === undefined ? {} : { edited_by: request.edited_by }),
  };
};

/** As long as the longest words of people and agents are shown. */
const MOST_WORDS = 20_000;
const visible = (text: string): string => visibleText(text, MOST_WORDS).text;

const votesOf = (approval: RecordedApproval, content: ApprovalContent | undefined): readonly ShownVote[] =>
  eventsOf(approval, ApprovalVoted).map((recorded) => {
    const { person, role, stage, vote, granted_arguments_hash, on_behalf_of } = recorded.envelope.data as DataOf<typeof ApprovalVoted>;
    const rationale = (content?.read(recorded) as SealedOf<typeof ApprovalVoted> | undefined)?.rationale;
    const counts = vote !== 'approve' || approval.state.votes.some(({ voteEventId }) => voteEventId === recorded.envelope.id);
    return { person, role, stage, vote, at: recorded.envelope.time, granted_arguments_hash, ...(rationale === undefined ? {} : { rationale }), ...(on_behalf_of === undefined ? {} : { on_behalf_of }), ...(counts ? {} : { void: true as const }) };
  });

/** Most characters shown of a value that a vote changed. */
const NARROWED_TEXT = 1_000;
const MOST_CHANGES = 50;

/** Where what was accepted so far differs from what the agent proposed. */
const narrowedOf = ({ state }: RecordedApproval, content: ApprovalContent | undefined): readonly NarrowedValue[] => {
  if (content?.acceptedArguments === undefined) return [];
  const proposed = parseStrict(content.proposal.arguments);
  const accepted = parseStrict(content.acceptedArguments);
  const edited = content.editedArguments === undefined ? [] : argumentChanges(proposed, accepted).changes.map(({ pointer }) => pointer);
  const valueAt = (from: JsonValue, pointer: string): string => visibleText(JSON.stringify(readPointer(from, pointer) ?? null), NARROWED_TEXT).text;
  const pointers = [...new Set([...narrowedPointers(state.request.narrowable, proposed, accepted), ...edited])].slice(0, MOST_CHANGES);
  return pointers.map((pointer) => ({ pointer, proposed: valueAt(proposed, pointer), accepted: valueAt(accepted, pointer) }));
};

const emergencyOf = (approval: RecordedApproval, content: ApprovalContent | undefined): ShownRequest['emergency'] => {
  const { emergency } = approval.state;
  if (emergency === undefined) return null;
  const reviewed = eventsOf(approval, EmergencyReviewed)[0];
  if (reviewed === undefined) return { person: emergency.person, reviewed: false };
  const { judgement, person } = reviewed.envelope.data as DataOf<typeof EmergencyReviewed>;
  const words = (content?.read(reviewed) as SealedOf<typeof EmergencyReviewed> | undefined)?.words;
  return { person: emergency.person, reviewed: true, judgement, reviewed_by: person, ...(words === undefined ? {} : { words }) };
};

const resolutionOf = (approval: RecordedApproval, content: ApprovalContent | undefined): Resolution => {
  const last = endOf(approval);
  if (last === undefined) throw new Error('a request that is not open has ended by an event');
  const at = last.envelope.time;
  const sealed = content?.read(last);
  if (is(last, ApprovalGranted)) {
    const { grant_id, expires_at } = last.envelope.data as DataOf<typeof ApprovalGranted>;
    return { at, person: last.envelope.actorid, grant_id, grant_expires_at: expires_at };
  }
  if (is(last, ApprovalRejected)) {
    const { person, reason_code, instruction } = last.envelope.data as DataOf<typeof ApprovalRejected>;
    return { at, person, reason_code, instruction, ...textOf((sealed as SealedOf<typeof ApprovalRejected> | undefined)?.reason) };
  }
  if (is(last, ApprovalAnswered)) return { at, person: last.envelope.actorid, ...textOf((sealed as SealedOf<typeof ApprovalAnswered> | undefined)?.response) };
  if (is(last, GrantRevoked)) return { at, ...(last.envelope.actortype === 'person' ? { person: last.envelope.actorid } : {}), ...textOf((sealed as SealedOf<typeof GrantRevoked> | undefined)?.reason), ...effectiveSince(approval) };
  if (is(last, CanaryAnswered)) return { at, ...canaryOf(last) };
  if (approval.state.decidedBy !== undefined) return { at, person: approval.state.decidedBy };
  return { at };
};

const effectiveSince = (approval: RecordedApproval): { effective_at?: string } => {
  const effective = eventsOf(approval, RevocationTookEffect)[0];
  return effective === undefined ? {} : { effective_at: effective.envelope.time };
};

const canaryOf = ({ envelope }: RecordedEvent): { person: string; canary: { noticed: boolean } } => {
  const { person, noticed } = envelope.data as DataOf<typeof CanaryAnswered>;
  return { person, canary: { noticed } };
};

const is = ({ envelope }: RecordedEvent, definition: EventDefinition): boolean => envelope.type === definition.type;
const textOf = (text: string | undefined): { text?: string } => (text === undefined ? {} : { text });
