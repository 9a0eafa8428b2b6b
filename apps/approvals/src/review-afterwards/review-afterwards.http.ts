import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { instant, list, name, object, oneOf, optional, text, truth, uuid } from '@exequatur/contracts';
import type { Schema, Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Allow, Caller, Describe, Http, IdempotentRequests, problem, ShapedBody, ShapedPath, ShapedQuery, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, PersonPrincipal, Principal } from '@exequatur/service-kit';
import { ReviewAfterwards, type ListedReview } from './review-afterwards.js';
import { reviewStream } from './review-rows.js';

const orNull = <T>(of: Schema<T>): Schema<T | null> => ({ json: { anyOf: [of.json, { type: 'null' }] } });
const listQuery = object({ include_reviewed: optional(truth()) });
const judgement = oneOf('right', 'wrong');
const listAnswer = object({ items: list(object({ action_id: uuid(), tier: oneOf('AUTO', 'LOG'), rule_id: text(200), agent: name(), action_kind: name(), opened_at: instant(), judgement: orNull(judgement), reviewed_by: orNull(name()) }), 200) });
const shownAnswer: Schema<object> = { json: { type: 'object' } };
const judgeBody = object({ judgement, words: optional(text(4_000)) });
const judgeAnswer = object({ action_id: uuid(), judgement });

const personOf = (caller: Principal): PersonPrincipal => (caller.type === 'person' ? caller : problem('FORBIDDEN'));

/** Allowed actions that were drawn, in the queue for review after the fact. */
@Controller('v1/approvals/reviews')
@Allow('person:approver', 'person:operator', 'person:auditor', 'person:admin')
export class ReviewAfterwardsHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly reviews: ReviewAfterwards,
  ) {}

  @Get()
  @Describe({ summary: 'Allowed actions drawn for review after the fact that nobody has reviewed, oldest first, at most 200.', query: listQuery, answers: { 200: listAnswer } })
  async list(@Caller() caller: Principal, @ShapedQuery(listQuery) query: Shape<typeof listQuery>): Promise<{ readonly items: readonly ListedReview[] }> {
    return { items: await this.reviews.list(personOf(caller), query.include_reviewed === true) };
  }

  @Get(':id')
  @Describe({ summary: 'One of them: facts, and arguments unless they were erased.', answers: { 200: shownAnswer }, codes: ['NOT_FOUND'] })
  show(@Caller() caller: Principal, @ShapedPath('id', uuid()) id: string): Promise<object> {
    return this.reviews.show(personOf(caller), id);
  }

  @Post(':id')
  @HttpCode(200)
  @Describe({ summary: 'Say whether it was right to allow it; once, never by the owner of the agent.', body: judgeBody, answers: { 200: judgeAnswer }, codes: ['NOT_FOUND', 'SELF_APPROVAL', 'ALREADY_DECIDED', 'REASON_REQUIRED'] })
  judge(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @ShapedBody(judgeBody) body: Shape<typeof judgeBody>): Promise<Answer> {
    const person = personOf(caller);
    return this.requests.run({
      request,
      principal: person,
      operation: 'review-afterwards',
      locks: { streams: [reviewStream(person.tenant, id)] },
      work: async (tx) => {
        await this.reviews.judge(tx, person, id, body.judgement, body.words ?? '');
        return { status: 200, body: { action_id: id, judgement: body.judgement } };
      },
    });
  }
}
