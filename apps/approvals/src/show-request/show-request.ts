import { Injectable } from '@nestjs/common';
import { ApprovalAnswered, ApprovalGranted, ApprovalOpened, ApprovalRejected, ApprovalVoted, GrantRevoked } from '@exequatur/contracts';
import type { DataOf, EventDefinition, SealedOf } from '@exequatur/contracts';
import { narrowedPointers, visibleText, type Card, type RequestFacts } from '@exequatur/approvals-domain';
import type { PgQueries, RecordedEvent } from '@exequatur/event-store';
import { parseStrict, readPointer } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { Database, problem, type PersonPrincipal } from '@exequatur/service-kit';
import { ApprovalStreams, type OpenedSealed } from '../approval-stream/approval-streams.js';
import { eventsOf, type RecordedApproval } from '../approval-stream/recorded-approval.js';
import { statusOf, type RequestStatus } from '../queue-view/queue-row.js';
import { maySee } from '../queue-view/visibility.js';

export interface ShownVote {
  readonly person: string;
  readonly role: string;
  readonly stage: number;
  readonly vote: 'approve' | 'reject' | 'respond';
  readonly at: string;
  readonly rationale?: string;
  readonly granted_arguments_hash: string;
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
  readonly votes: readonly ShownVote[];
  /** what the votes so far, or policy, changed in the arguments */
  readonly narrowed: readonly NarrowedValue[];
  readonly resolution: Resolution | null;
}

/** What pages need besides: the request's facts and the proposed arguments, for the fields of "approve narrower". */
export interface RequestInDetail {
  readonly shown: ShownRequest;
  readonly request: RequestFacts;
  /** absent once erased */
  readonly proposed?: JsonValue;
}

@Injectable()
export class ShowRequest {
  constructor(
    private readonly streams: ApprovalStreams,
    private readonly database: Database,
  ) {}

  /** @throws Problem NOT_FOUND, also for another tenant's request and for one this person may not see */
  async show(person: PersonPrincipal, approvalId: string): Promise<RequestInDetail> {
    return this.database.snapshot(async (tx) => {
      const approval = (await this.streams.load(tx, person.tenant, approvalId)) ?? problem('NOT_FOUND');
      if (!maySee(person, approval.state.request.demand.stages.flatMap(({ roles }) => roles))) problem('NOT_FOUND');
      return this.detail(approval, tx);
    });
  }

  private async detail(approval: RecordedApproval, tx: PgQueries): Promise<RequestInDetail> {
    const { state } = approval;
    const { request } = state;
    const opened = await this.streams.openedContent(approval, tx);
    const proposed = opened === undefined ? undefined : parseStrict(opened.proposal.arguments);
    const shown: ShownRequest = {
      approval_id: request.approval_id,
      action_id: request.action_id,
      status: statusOf(approval),
      version: approval.version,
      card: opened === undefined ? null : (JSON.parse(opened.card) as Card),
      view_hash: state.viewHash,
      renderer: openedRenderer(approval),
      arguments_hash: request.arguments_hash,
      policy_hash: request.policy_hash,
      policy_version: request.policy_version,
      policy_rule_id: request.rule_id,
      expires_at: request.expires_at,
      on_timeout: request.demand.on_timeout,
      quorum: { stage: state.stage, stages: request.demand.stages, approvals: state.votes.map(({ person, role, stage }) => ({ person, role, stage })) },
      votes: await this.votes(approval, tx),
      narrowed: await this.narrowed(approval, opened, proposed, tx),
      resolution: state.status === 'Open' ? null : await this.resolution(approval, tx),
    };
    return { shown, request, ...(proposed === undefined ? {} : { proposed }) };
  }

  private votes(approval: RecordedApproval, tx: PgQueries): Promise<readonly ShownVote[]> {
    return Promise.all(
      eventsOf(approval, ApprovalVoted).map(async (recorded) => {
        const { person, role, stage, vote, granted_arguments_hash } = recorded.envelope.data as DataOf<typeof ApprovalVoted>;
        const rationale = (await this.streams.openOne<SealedOf<typeof ApprovalVoted>>(approval, recorded, tx))?.rationale;
        return { person, role, stage, vote, at: recorded.envelope.time, granted_arguments_hash, ...(rationale === undefined ? {} : { rationale }) };
      }),
    );
  }

  private async narrowed(approval: RecordedApproval, opened: OpenedSealed | undefined, proposed: JsonValue | undefined, tx: PgQueries): Promise<readonly NarrowedValue[]> {
    if (opened === undefined || proposed === undefined) return [];
    const acceptedText = (await this.streams.contentForVote(approval, tx))?.acceptedArguments;
    if (acceptedText === undefined) return [];
    const accepted = parseStrict(acceptedText);
    const valueAt = (from: JsonValue, pointer: string): string => visibleText(JSON.stringify(readPointer(from, pointer) ?? null), NARROWED_TEXT).text;
    return narrowedPointers(approval.state.request.narrowable, proposed, accepted).map((pointer) => ({ pointer, proposed: valueAt(proposed, pointer), accepted: valueAt(accepted, pointer) }));
  }

  private async resolution(approval: RecordedApproval, tx: PgQueries): Promise<Resolution> {
    const last = approval.events.find(({ version }) => version === approval.version);
    if (last === undefined) throw new Error('the version of a request is that of one of its events');
    const at = last.envelope.time;
    if (is(last, ApprovalGranted)) {
      const { grant_id, expires_at } = last.envelope.data as DataOf<typeof ApprovalGranted>;
      return { at, person: last.envelope.actorid, grant_id, grant_expires_at: expires_at };
    }
    if (is(last, ApprovalRejected)) {
      const { person, reason_code, instruction } = last.envelope.data as DataOf<typeof ApprovalRejected>;
      return { at, person, reason_code, instruction, ...textOf((await this.streams.openOne<SealedOf<typeof ApprovalRejected>>(approval, last, tx))?.reason) };
    }
    if (is(last, ApprovalAnswered)) return { at, person: last.envelope.actorid, ...textOf((await this.streams.openOne<SealedOf<typeof ApprovalAnswered>>(approval, last, tx))?.response) };
    if (is(last, GrantRevoked)) return { at, person: last.envelope.actorid, ...textOf((await this.streams.openOne<SealedOf<typeof GrantRevoked>>(approval, last, tx))?.reason) };
    return { at };
  }
}

/** Most characters shown of a value that a vote changed. */
const NARROWED_TEXT = 1_000;

const is = ({ envelope }: RecordedEvent, definition: EventDefinition): boolean => envelope.type === definition.type;
const textOf = (text: string | undefined): { text?: string } => (text === undefined ? {} : { text });
const openedRenderer = (approval: RecordedApproval): string => (eventsOf(approval, ApprovalOpened)[0]?.envelope.data as DataOf<typeof ApprovalOpened> | undefined)?.renderer ?? '';
