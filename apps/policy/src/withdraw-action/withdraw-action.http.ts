import { Controller, HttpCode, Post } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { anything, name, object, optional, record, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { actingTenant, Allow, Caller, Describe, Http, ShapedBody, ShapedPath } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import { WithdrawAction } from './withdraw-action.command.js';

const withdrawBody = object({ reason: text(1_000), tenant: optional(name()) });

@Controller('v1/actions/:id/withdraw')
export class WithdrawActionHttp {
  constructor(private readonly commands: CommandBus) {}

  @Post()
  @HttpCode(200)
  @Allow('agent', 'person:operator', 'root')
  @Describe({ summary: 'Take a proposal back; its request is cancelled and its grant ends.', body: withdrawBody, answers: { 200: record(anything()) }, codes: ['NOT_FOUND', 'CONFLICT'] })
  withdraw(@ShapedPath('id', uuid()) id: string, @ShapedBody(withdrawBody) body: Shape<typeof withdrawBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.commands.execute(new WithdrawAction(actingTenant(principal, body.tenant), id, body.reason, principal, request));
  }
}
