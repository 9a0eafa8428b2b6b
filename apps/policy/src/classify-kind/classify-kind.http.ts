import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { CommandBus } from '@nestjs/cqrs';
import { list, name, object, optional } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { classOf } from '@exequatur/policy-domain';
import { actingTenant, Allow, Caller, Database, Describe, Http, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import { ActivePolicies } from '../policy-versions/active-policies.js';
import { publishedVersion } from '../publish-policy/publish-policy.http.js';
import { ClassifyKind } from './classify-kind.command.js';

const classifyBody = object({ tenant: optional(name()), action_kind: name(), action_class: name() });
const classified = object({ action_kind: name(), action_class: name(), policy: optional(publishedVersion) });
const kindsQuery = object({ tenant: optional(name()) });
const kinds = object({ items: list(object({ action_kind: name(), action_class: optional(name()) }), 10_000) });

@Controller('v1/action-kinds')
export class ClassifyKindHttp {
  constructor(
    private readonly commands: CommandBus,
    private readonly policies: ActivePolicies,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Allow('person:policy-admin', 'root')
  @Describe({ summary: 'Register an action kind in a class, so that globs may match it.', body: classifyBody, answers: { 201: classified }, codes: ['INVALID', 'APPROVAL_REQUIRED'] })
  classify(@ShapedBody(classifyBody) body: Shape<typeof classifyBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.commands.execute(new ClassifyKind(actingTenant(principal, body.tenant), body.action_kind, body.action_class, principal, request));
  }

  @Get()
  @Allow('person', 'root')
  @Describe({ summary: 'Registered kinds of the newest policy version, with their class.', query: kindsQuery, answers: { 200: kinds } })
  async list(@ShapedQuery(kindsQuery) query: Shape<typeof kindsQuery>, @Caller() principal: Principal): Promise<Shape<typeof kinds>> {
    const tenant = actingTenant(principal, query.tenant);
    const active = (await this.policies.of(this.database, [tenant])).get(tenant);
    const items = [...(active?.registered ?? [])].map((action_kind) => {
      const action_class = active === undefined ? undefined : classOf(active.policy, action_kind);
      return { action_kind, ...(action_class === undefined ? {} : { action_class }) };
    });
    return { items };
  }
}
