import { Injectable } from '@nestjs/common';
import type { ApprovalCommand } from '@exequatur/approvals-domain';
import type { PgTransaction } from '@exequatur/event-store';
import { canonicalText, newId } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import type { Problem } from '@exequatur/service-kit';
import { DecideRequests, type Attempt, type Decided, type Judged } from '../decide-request/decide-requests.js';
import type { Ballot } from './ballots.js';

/** Votes of every kind, and taking a grant back. */
@Injectable()
export class VoteOnRequest {
  constructor(private readonly requests: DecideRequests) {}

  /** @throws Problem NOT_FOUND (also for another tenant's request), CONFLICT when the action was erased */
  vote(tx: PgTransaction, attempt: Attempt, ballot: Ballot): Promise<Decided> {
    return this.requests.decide(tx, attempt, { attempted: ballot.vote, command: commandFor(ballot) });
  }

  /** The same vote on several requests, each on the card named for it. */
  voteEach(tx: PgTransaction, attempts: readonly Attempt[], ballot: (approvalId: string) => Ballot, attempted: 'approve' | 'reject'): Promise<readonly (Decided | Problem)[]> {
    return this.requests.decideEach(tx, attempts, { attempted, command: (judged) => commandFor(ballot(judged.approval.state.request.approval_id))(judged) });
  }

  /** Takes a grant back. @throws Problem NOT_FOUND */
  revoke(tx: PgTransaction, attempt: Attempt, reason: string): Promise<Decided> {
    return this.requests.decide(tx, attempt, { attempted: 'revoke', command: ({ voter, now }) => ({ type: 'Revoke', metadata: { now }, data: { voter, reason } }) });
  }
}

const commandFor =
  (ballot: Ballot) =>
  async ({ voter, now, dwellMs, content, reasonCodes }: Judged): Promise<ApprovalCommand> => {
    const metadata = { now, voteEventId: newId() };
    const base = { voter, viewHash: ballot.view_hash, ...(dwellMs === undefined ? {} : { dwellMs }) };
    switch (ballot.vote) {
      case 'approve': {
        const { rationale, caps, varies } = ballot;
        return { type: 'Vote', metadata, data: { ...base, vote: 'approve', content: await content(), ...(rationale === undefined ? {} : { rationale }), ...(caps === undefined ? {} : { caps }), ...(varies === undefined ? {} : { varies }) } };
      }
      case 'edit': {
        const { rationale, as_new_action } = ballot;
        return { type: 'Edit', metadata, data: { ...base, content: await content(), arguments: canonicalText(ballot.arguments as JsonValue), asNewAction: as_new_action === true, ...(rationale === undefined ? {} : { rationale }) } };
      }
      case 'break-glass': {
        const { reason, caps } = ballot;
        return { type: 'BreakGlass', metadata, data: { ...base, content: await content(), reason: reason ?? '', ...(caps === undefined ? {} : { caps }) } };
      }
      case 'reject':
        return { type: 'Vote', metadata, data: { ...base, vote: 'reject', reasonCode: ballot.reason_code ?? 'other', reasonCodes: await reasonCodes(), reason: ballot.reason ?? '', instruction: ballot.instruction ?? 'abort' } };
      case 'respond':
        return { type: 'Vote', metadata, data: { ...base, vote: 'respond', response: ballot.response ?? '' } };
    }
  };
