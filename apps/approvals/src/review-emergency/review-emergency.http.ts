import { Controller, Injectable, Post } from '@nestjs/common';
import { object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Allow, Caller, Describe, Http, ShapedBody, ShapedPath, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { DecideRequests, type Attempt, type Decided } from '../decide-request/decide-requests.js';
import { decisionAnswer } from '../vote-on-request/ballots.js';
import { DecisionRequests } from '../vote-on-request/decision-requests.js';

export const reviewBody = object({ judgement: oneOf('justified', 'not_justified'), words: optional(text(4_000)) });

@Injectable()
export class ReviewEmergency {
  constructor(private readonly requests: DecideRequests) {}

  review(tx: PgTransaction, attempt: Attempt, { judgement, words }: Shape<typeof reviewBody>): Promise<Decided> {
    return this.requests.decide(tx, attempt, { attempted: 'review', command: ({ voter, now }) => ({ type: 'Review', metadata: { now }, data: { voter, judgement, words: words ?? '' } }) });
  }
}

@Controller('v1/approvals')
@Allow('person', 'agent')
export class ReviewEmergencyHttp {
  constructor(
    private readonly decisions: DecisionRequests,
    private readonly reviews: ReviewEmergency,
  ) {}

  @Post(':id/review')
  @Describe({
    summary: 'Judge an emergency approval afterwards; never by whoever broke the glass, nor the owner of the agent.',
    body: reviewBody,
    answers: { 200: decisionAnswer },
    codes: ['NOT_FOUND', 'IF_MATCH_REQUIRED', 'STALE', 'NOT_A_PERSON', 'SELF_APPROVAL', 'NOT_ELIGIBLE', 'ALREADY_DECIDED', 'CONFLICT', 'REASON_REQUIRED'],
  })
  review(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(reviewBody) body: Shape<typeof reviewBody>): Promise<Answer> {
    return this.decisions.run({ request, caller, approvalId: id, operation: 'review-emergency', ifMatch: 'required', work: (tx, attempt) => this.reviews.review(tx, attempt, body) });
  }
}
