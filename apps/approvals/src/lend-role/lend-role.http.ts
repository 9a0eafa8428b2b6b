import { Controller, Get, Post } from '@nestjs/common';
import { instant, list, name, object, oneOf, optional, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import { Allow, Caller, Describe, Http, IdempotentRequests, problem, ShapedBody, ShapedPath, type Answer } from '@exequatur/service-kit';
import type { HttpRequest, PersonPrincipal, Principal } from '@exequatur/service-kit';
import { delegationStream, LendRole } from './lend-role.js';

const lendBody = object({ to: name(), role: name(), ends_at: instant(), starts_at: optional(instant()) });
const loan = object({ delegation_id: uuid(), from: name(), to: name(), role: name(), starts_at: instant(), ends_at: instant(), status: oneOf('standing', 'ended') });
export type Loan = Shape<typeof loan>;
const loansAnswer = object({ items: list(loan, 200) });

const personOf = (caller: Principal): PersonPrincipal => (caller.type === 'person' ? caller : problem('FORBIDDEN'));

/** A role lent to another person while one is away. */
@Controller('v1/approvals/delegations')
@Allow('person')
export class LendRoleHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly roles: LendRole,
  ) {}

  @Get()
  @Describe({ summary: 'Roles lent by and to whoever asks, newest first, at most 200; auditors and admins see all.', answers: { 200: loansAnswer } })
  async list(@Caller() caller: Principal): Promise<{ readonly items: readonly Loan[] }> {
    return { items: await this.roles.list(personOf(caller)) };
  }

  @Post()
  @Describe({ summary: 'Lend one of your roles to a person until a day, 90 days at most. What is lent cannot be lent on.', body: lendBody, answers: { 201: loan }, codes: ['NOT_ELIGIBLE', 'CONFLICT', 'INVALID'] })
  lend(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedBody(lendBody) body: Shape<typeof lendBody>): Promise<Answer> {
    const person = personOf(caller);
    const delegationId = newId();
    return this.requests.run({
      request,
      principal: person,
      operation: 'lend-role',
      locks: { streams: [delegationStream(person.tenant, delegationId)] },
      work: async (tx) => ({ status: 201, body: await this.roles.lend(tx, person, delegationId, body) }),
    });
  }

  @Post(':id/end')
  @Describe({ summary: 'End a loan before its day, as either of the two.', answers: { 200: loan }, codes: ['NOT_FOUND'] })
  end(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    const person = personOf(caller);
    return this.requests.run({ request, principal: person, operation: 'end-loan', locks: { streams: [delegationStream(person.tenant, id)] }, work: async (tx) => ({ status: 200, body: await this.roles.end(tx, person, id) }) });
  }
}
