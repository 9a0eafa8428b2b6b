import { Controller, HttpCode, Post } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { count, hash, instant, list, MAX_POLICY_SOURCE, name, object, oneOf, optional, text, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { policyHash, registeredKinds } from '@exequatur/policy-domain';
import { actingTenant, Allow, Answer, Caller, Describe, Http, ShapedBody } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { PublishPolicy } from './publish-policy.command.js';

const publishBody = object({
  tenant: optional(name()),
  /** YAML */
  source: plainText(MAX_POLICY_SOURCE),
  reason: optional(plainText(1_000)),
  /** check only: nothing is written, faults are a 200 */
  validate_only: optional(truth()),
});

export const publishedVersion = object({ policy_version: count(), policy_hash: hash(), registered_kinds: list(name(), 10_000), status: oneOf('published'), published_at: instant() });

const checked = object({
  valid: truth(),
  policy_hash: optional(hash()),
  registered_kinds: optional(list(name(), 10_000)),
  findings: list(object({ path: text(), message: text(), line: count(), column: count() }), 10_000),
});

@Controller('v1/policies')
export class PublishPolicyHttp {
  constructor(private readonly commands: CommandBus) {}

  @Post()
  @HttpCode(201)
  @Allow('person:policy-admin', 'root')
  @Describe({ summary: 'Publish a policy as the tenant’s next version, or only check it with validate_only.', body: publishBody, answers: { 200: checked, 201: publishedVersion }, codes: ['INVALID', 'NOT_FOUND', 'APPROVAL_REQUIRED'] })
  async publish(@ShapedBody(publishBody) body: Shape<typeof publishBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    if (body.validate_only === true) return this.check(body.source);
    return this.commands.execute(new PublishPolicy(tenant, body.source, body.reason ?? 'Published', principal, request));
  }

  private check(source: string): Answer {
    const file = readPolicyFile(source);
    const result = file.ok ? { valid: true, policy_hash: policyHash(file.policy), registered_kinds: registeredKinds(file.policy), findings: [] } : { valid: false, findings: file.findings };
    return Answer.json(200, result);
  }
}
