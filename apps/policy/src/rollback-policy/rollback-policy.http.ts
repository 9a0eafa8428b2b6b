import { Controller, HttpCode, Post } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { count, name, object, optional } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { actingTenant, Allow, Caller, Describe, Http, ShapedBody } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { publishedVersion } from '../publish-policy/publish-policy.http.js';
import { RollBackPolicy } from './rollback-policy.command.js';

const rollbackBody = object({ tenant: optional(name()), to_version: count(), reason: plainText(1_000) });

@Controller('v1/policies/rollback')
export class RollBackPolicyHttp {
  constructor(private readonly commands: CommandBus) {}

  @Post()
  @HttpCode(201)
  @Allow('person:policy-admin', 'root')
  @Describe({ summary: 'Publish an earlier version again, as a new and higher one.', body: rollbackBody, answers: { 201: publishedVersion }, codes: ['NOT_FOUND', 'APPROVAL_REQUIRED'] })
  rollBack(@ShapedBody(rollbackBody) body: Shape<typeof rollbackBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.commands.execute(new RollBackPolicy(actingTenant(principal, body.tenant), body.to_version, body.reason, principal, request));
  }
}
