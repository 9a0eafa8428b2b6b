import { Controller, HttpCode, Post } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { proposalShape } from '@exequatur/contracts';
import type { Proposal } from '@exequatur/contracts';
import { Allow, Caller, Describe, Http, problem, requireIdempotencyKey, ShapedBody } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import { checkProposal } from './check-proposal.js';
import { ProposeAction } from './propose-action.command.js';
import { proposedAnswer } from './proposal-answer.js';

@Controller('v1/actions')
export class ProposeActionHttp {
  constructor(private readonly commands: CommandBus) {}

  @Post()
  @HttpCode(201)
  @Allow('agent')
  @Describe({ summary: 'Propose an action; every verdict is a 201.', body: proposalShape, answers: { 201: proposedAnswer }, codes: ['FORBIDDEN', 'TOO_LARGE', 'IDEMPOTENCY_KEY_REUSED', 'IDEMPOTENCY_IN_FLIGHT'] })
  propose(@ShapedBody(proposalShape) body: Proposal, @Caller() caller: Principal, @Http() request: HttpRequest): Promise<Answer> {
    if (caller.type !== 'agent') return problem('FORBIDDEN');
    const key = requireIdempotencyKey(request);
    return this.commands.execute(new ProposeAction(caller, checkProposal(caller, body), key, 'http', request.traceparent));
  }
}
