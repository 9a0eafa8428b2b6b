import { Controller, Get, Post } from '@nestjs/common';
import { count, hash, list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Allow, Caller, Describe, Http, IdempotentRequests, Problem, problem, PROBLEM_CONTENT_TYPE, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, PersonPrincipal, Principal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { decidingPrincipal } from '../vote-on-request/decision-requests.js';
import { groupText } from '../list-requests/list-query.js';
import { BATCH_LIMIT, DecideBatch } from './decide-batch.js';

const member = object({ approval_id: uuid(), version: count(), view_hash: hash() });
const previewQuery = object({ group: groupText(), limit: optional(count(BATCH_LIMIT)) });
const previewAnswer = object({
  group: groupText(),
  items: list(object({ approval_id: uuid(), version: count(), view_hash: hash(), title: text(), expires_at: text(40), has_reversal: { json: { type: 'boolean' } } }), BATCH_LIMIT),
  expected_count: count(),
  set_hash: hash(),
});
/** What is decided is exactly what was previewed: every request with the version and card it had then. */
export const batchBody = object({
  group: groupText(),
  items: list(member, BATCH_LIMIT),
  expected_count: count(),
  set_hash: hash(),
  decision: oneOf('approve', 'reject'),
  rationale: optional(text(4_000)),
  reason_code: optional(name()),
  reason: optional(text(4_000)),
  instruction: optional(oneOf('abort', 'reroute', 'escalate')),
});
const batchAnswer = object({
  decided: count(),
  refused: count(),
  results: list(object({ approval_id: uuid(), status: optional(text(20)), code: optional(text(40)), detail: optional(text()) }), BATCH_LIMIT),
});

const personOf = (caller: Principal): PersonPrincipal => (caller.type === 'person' ? caller : problem('NOT_A_PERSON'));

/** One decision about many requests of one group. */
@Controller('v1/approvals/batch')
@Allow('person')
export class DecideBatchHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly batches: DecideBatch,
  ) {}

  @Get('preview')
  @Describe({ summary: 'The open requests of a group that whoever asks may decide now, with their number and the hash of the set; decides nothing.', query: previewQuery, answers: { 200: previewAnswer } })
  preview(@Caller() caller: Principal, @ShapedQuery(previewQuery) { group, limit }: Shape<typeof previewQuery>): Promise<object> {
    return this.batches.preview(personOf(caller), group, limit ?? BATCH_LIMIT);
  }

  @Post()
  @Allow('person', 'agent')
  @Describe({
    summary: `Approve or reject at most ${BATCH_LIMIT} previewed requests of one group, each by itself. Nothing without a way to undo it is approved so.`,
    body: batchBody,
    answers: { 200: batchAnswer },
    codes: ['STALE', 'REASON_REQUIRED', 'INVALID', 'NOT_A_PERSON'],
  })
  decide(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedBody(batchBody) body: Shape<typeof batchBody>): Promise<Answer> {
    const principal = decidingPrincipal(caller);
    return this.requests.run({
      request,
      principal,
      operation: 'decide-batch',
      locks: { streams: body.items.map(({ approval_id }) => approvalStream(principal.tenant, approval_id)) },
      work: async (tx) => {
        this.batches.check(body);
        const decided = await this.batches.decide(tx, principal, body, request.traceparent);
        if (principal.type === 'person') return { status: 200, body: decided };
        // Refused as a whole, and the attempt on each stands in its stream.
        const refused = new Problem('NOT_A_PERSON', 'an agent can never decide');
        return { status: refused.status, body: refused.document(), headers: { 'content-type': PROBLEM_CONTENT_TYPE } };
      },
    });
  }
}
