import { Injectable } from '@nestjs/common';
import { decide, type ApprovalCommand, type ApprovalEvent, type VoteCommand, type Voter } from '@exequatur/approvals-domain';
import { VoteRefused } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { isRefusal, newId } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import { problem, type AgentPrincipal, type PersonPrincipal } from '@exequatur/service-kit';
import { ApprovalStreams, type Cause, type RefusedAttempt } from '../approval-stream/approval-streams.js';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { EXPIRING } from '../expire-requests/expire-requests.js';
import { APPROVAL_LIMITS } from '../limits.js';
import type { Ballot } from './ballots.js';

export type DecidingPrincipal = PersonPrincipal | AgentPrincipal;

export interface Attempt {
  readonly caller: DecidingPrincipal;
  readonly approvalId: string;
  readonly traceparent?: string;
  /** Called with the entity version under the lock, for people only: an agent is refused whatever it has read. @throws Problem */
  readonly checkVersion: (version: number) => void;
}

/** The request after the attempt, and why it was refused where it was. */
export interface Decided {
  readonly approval: RecordedApproval;
  readonly refusal?: Refusal;
}

type RefusalCode = DataOf<typeof VoteRefused>['code'];
const RECORDED_CODES: readonly string[] = ['SELF_APPROVAL', 'NOT_ELIGIBLE', 'NOT_A_PERSON', 'ALREADY_VOTED', 'ALREADY_DECIDED', 'APPROVAL_EXPIRED', 'VIEW_CHANGED', 'WIDENS_AUTHORITY', 'REASON_REQUIRED'];

/**
 * The one way a vote or a revocation comes into being, whatever door it came through: under the lock of the request's stream,
 * judged by the database's clock, a refusal recorded beside it. The caller holds the transaction.
 */
@Injectable()
export class VoteOnRequest {
  constructor(private readonly streams: ApprovalStreams) {}

  /** @throws Problem NOT_FOUND (also for another tenant's request), CONFLICT when the action was erased */
  async vote(tx: PgTransaction, attempt: Attempt, ballot: Ballot): Promise<Decided> {
    const approval = await this.found(tx, attempt);
    const now = await this.streams.databaseNow(tx);
    const command = await this.commandFor(tx, approval, attempt, ballot, now);
    return this.settle(tx, approval, attempt, command, ballot.vote, now);
  }

  /** Takes a grant back. @throws Problem NOT_FOUND */
  async revoke(tx: PgTransaction, attempt: Attempt, reason: string): Promise<Decided> {
    const approval = await this.found(tx, attempt);
    const now = await this.streams.databaseNow(tx);
    const command: ApprovalCommand = { type: 'Revoke', metadata: { now }, data: { voter: voterOf(attempt.caller), reason } };
    return this.settle(tx, approval, attempt, command, 'revoke', now);
  }

  private async found(tx: PgTransaction, { caller, approvalId, checkVersion }: Attempt): Promise<RecordedApproval> {
    const approval = (await this.streams.load(tx, caller.tenant, approvalId)) ?? problem('NOT_FOUND');
    if (caller.type === 'person') checkVersion(approval.version);
    return approval;
  }

  private async commandFor(tx: PgTransaction, approval: RecordedApproval, { caller }: Attempt, ballot: Ballot, now: number): Promise<VoteCommand> {
    const metadata = { now, voteEventId: newId() };
    const base = { voter: voterOf(caller), viewHash: ballot.view_hash };
    switch (ballot.vote) {
      case 'approve': {
        const content = (await this.streams.contentForVote(approval, tx)) ?? problem('CONFLICT', 'the action was erased: nobody can see what this would approve');
        const { rationale, caps } = ballot;
        return { type: 'Vote', metadata, data: { ...base, vote: 'approve', content, ...(rationale === undefined ? {} : { rationale }), ...(caps === undefined ? {} : { caps }) } };
      }
      case 'reject':
        return { type: 'Vote', metadata, data: { ...base, vote: 'reject', reasonCode: ballot.reason_code ?? 'other', reason: ballot.reason ?? '', instruction: ballot.instruction ?? 'abort' } };
      case 'respond':
        return { type: 'Vote', metadata, data: { ...base, vote: 'respond', response: ballot.response ?? '' } };
    }
  }

  private async settle(tx: PgTransaction, approval: RecordedApproval, attempt: Attempt, command: ApprovalCommand, attempted: RefusedAttempt['attempted'], now: number): Promise<Decided> {
    const cause: Cause = { actor: actorOf(attempt.caller), now, ...(attempt.traceparent === undefined ? {} : { traceparent: attempt.traceparent }) };
    const decision = decide(command, approval.state);
    if (!isRefusal(decision)) return { approval: await this.streams.append(tx, approval.tenant, approval.events, decision, cause) };
    const expired = decide({ type: 'Expire', metadata: { now } }, approval.state);
    const expiring: readonly ApprovalEvent[] = isRefusal(expired) ? [] : expired;
    const recorded = RECORDED_CODES.includes(decision.code) && approval.refusals < APPROVAL_LIMITS.recordedRefusals;
    if (!recorded && expiring.length === 0) return { approval, refusal: decision };
    const refused = recorded ? { attempt: { attempted, code: decision.code as RefusalCode }, cause } : undefined;
    return { approval: await this.streams.append(tx, approval.tenant, approval.events, expiring, { actor: EXPIRING, now }, refused), refusal: decision };
  }
}

const voterOf = (caller: DecidingPrincipal): Voter => ({ type: caller.type, id: caller.id, roles: caller.type === 'person' ? caller.roles : [] });
const actorOf = (caller: DecidingPrincipal): Actor => ({ type: caller.type, id: caller.id });
