import { Controller, Post } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import type { Code, Shape } from '@exequatur/contracts';
import { Allow, Caller, Describe, Http, ShapedBody, ShapedPath, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { approveBody, breakGlassBody, decisionAnswer, editBody, rejectBody, respondBody } from './ballots.js';
import type { Ballot } from './ballots.js';
import { DecisionRequests } from './decision-requests.js';
import { VoteOnRequest } from './vote-on-request.js';

const VOTE_CODES: readonly Code[] = ['NOT_FOUND', 'IF_MATCH_REQUIRED', 'STALE', 'SELF_APPROVAL', 'NOT_ELIGIBLE', 'NOT_A_PERSON', 'ALREADY_VOTED', 'ALREADY_DECIDED', 'APPROVAL_EXPIRED', 'VIEW_CHANGED'];

/** Agents reach these routes so that their attempt is refused and recorded. */
@Controller('v1/approvals')
@Allow('person', 'agent')
export class VoteOnRequestHttp {
  constructor(
    private readonly decisions: DecisionRequests,
    private readonly votes: VoteOnRequest,
  ) {}

  @Post(':id/approve')
  @Describe({ summary: 'Approve, as proposed or narrower; at the last quorum the signed grant is issued.', body: approveBody, answers: { 200: decisionAnswer }, codes: [...VOTE_CODES, 'WIDENS_AUTHORITY'] })
  approve(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(approveBody) body: Shape<typeof approveBody>): Promise<Answer> {
    return this.vote(request, caller, id, { vote: 'approve', ...body });
  }

  @Post(':id/reject')
  @Describe({ summary: 'Reject with a reason; nothing runs and the agent is told.', body: rejectBody, answers: { 200: decisionAnswer }, codes: [...VOTE_CODES, 'REASON_REQUIRED'] })
  reject(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(rejectBody) body: Shape<typeof rejectBody>): Promise<Answer> {
    return this.vote(request, caller, id, { vote: 'reject', ...body });
  }

  @Post(':id/respond')
  @Describe({ summary: 'Answer in place of the tool; nothing runs and the agent gets these words.', body: respondBody, answers: { 200: decisionAnswer }, codes: [...VOTE_CODES, 'REASON_REQUIRED'] })
  respond(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(respondBody) body: Shape<typeof respondBody>): Promise<Answer> {
    return this.vote(request, caller, id, { vote: 'respond', ...body });
  }

  @Post(':id/edit')
  @Describe({ summary: 'Change the arguments within what was proposed; earlier votes are void, and this is a vote for the changed ones.', body: editBody, answers: { 200: decisionAnswer }, codes: [...VOTE_CODES, 'WIDENS_AUTHORITY', 'CONFLICT'] })
  edit(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(editBody) body: Shape<typeof editBody>): Promise<Answer> {
    return this.vote(request, caller, id, { vote: 'edit', ...body });
  }

  @Post(':id/break-glass')
  @Describe({ summary: 'Approve alone in an emergency, with the role break-glass: one use, five minutes, reviewed by somebody else afterwards.', body: breakGlassBody, answers: { 200: decisionAnswer }, codes: [...VOTE_CODES, 'WIDENS_AUTHORITY', 'REASON_REQUIRED'] })
  breakGlass(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(breakGlassBody) body: Shape<typeof breakGlassBody>): Promise<Answer> {
    return this.vote(request, caller, id, { vote: 'break-glass', ...body });
  }

  private vote(request: HttpRequest, caller: Principal, approvalId: string, ballot: Ballot): Promise<Answer> {
    return this.decisions.run({ request, caller, approvalId, operation: `${ballot.vote}-request`, ifMatch: 'required', work: (tx, attempt) => this.votes.vote(tx, attempt, ballot) });
  }
}
