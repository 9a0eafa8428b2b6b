import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { list, name, object, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Allow, Caller, Describe, Http, IdempotentRequests, problem, ShapedBody, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, PersonPrincipal, Principal } from '@exequatur/service-kit';
import { reasonsStream, RejectionReasons } from './rejection-reasons.js';

const MOST_CODES = 50;
const reasonsBody = object({ codes: list(name(), MOST_CODES) });
const reasonsAnswer = object({ codes: list(name(), MOST_CODES), own: truth() });

const personOf = (caller: Principal): PersonPrincipal => (caller.type === 'person' ? caller : problem('FORBIDDEN'));

/** The tenant's own list of reason codes for rejections. */
@Controller('v1/approvals/rejection-reasons')
export class RejectionReasonsHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly reasons: RejectionReasons,
  ) {}

  @Get()
  @Allow('person')
  @Describe({ summary: 'The reason codes that a rejection may name; `own` says whether the tenant chose them.', answers: { 200: reasonsAnswer } })
  show(@Caller() caller: Principal): Promise<Shape<typeof reasonsAnswer>> {
    return this.reasons.of(personOf(caller).tenant);
  }

  @Post()
  @HttpCode(200)
  @Allow('person:admin', 'person:policy-admin')
  @Describe({ summary: 'Choose the reason codes of the tenant, 1 to 50, each once. Earlier rejections keep theirs.', body: reasonsBody, answers: { 200: reasonsAnswer }, codes: ['INVALID'] })
  set(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedBody(reasonsBody) { codes }: Shape<typeof reasonsBody>): Promise<Answer> {
    const person = personOf(caller);
    if (codes.length === 0 || new Set(codes).size !== codes.length) return problem('INVALID', undefined, [{ pointer: '/codes', expected: 'at least one code, each once' }]);
    return this.requests.run({
      request,
      principal: person,
      operation: 'set-rejection-reasons',
      locks: { streams: [reasonsStream(person.tenant)] },
      work: async (tx) => {
        await this.reasons.set(tx, person, codes);
        return { status: 200, body: { codes, own: true } };
      },
    });
  }
}
