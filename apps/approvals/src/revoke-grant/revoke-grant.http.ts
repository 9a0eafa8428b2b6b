import { Controller, Post } from '@nestjs/common';
import { object, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Describe, Http, ShapedBody, ShapedPath, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { decisionAnswer } from '../vote-on-request/ballots.js';
import { DecisionRequests } from '../vote-on-request/decision-requests.js';
import { VoteOnRequest } from '../vote-on-request/vote-on-request.js';

const revokeBody = object({ reason: optional(text(4_000)) });

@Controller('v1/approvals')
@Allow('person', 'agent')
export class RevokeGrantHttp {
  constructor(
    private readonly decisions: DecisionRequests,
    private readonly votes: VoteOnRequest,
  ) {}

  @Post(':id/revoke')
  @Describe({
    summary: 'Take the grant back; effective when reservations has recorded GrantClosed. If-Match is optional here.',
    body: revokeBody,
    answers: { 200: decisionAnswer },
    codes: ['NOT_FOUND', 'STALE', 'NOT_A_PERSON', 'NOT_ELIGIBLE', 'ALREADY_DECIDED', 'CONFLICT', 'REASON_REQUIRED'],
  })
  revoke(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(revokeBody) body: Shape<typeof revokeBody>): Promise<Answer> {
    return this.decisions.run({ request, caller, approvalId: id, operation: 'revoke-grant', ifMatch: 'optional', work: (tx, attempt) => this.votes.revoke(tx, attempt, body.reason ?? '') });
  }
}
