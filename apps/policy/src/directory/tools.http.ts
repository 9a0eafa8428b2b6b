import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { list, name, object, optional, text, ToolRegistered } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { actingTenant, Allow, Caller, Database, Describe, Http, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, ListPage, Principal } from '@exequatur/service-kit';
import { assertTenant } from './agents.http.js';
import { DirectoryFacts } from './directory-facts.js';

const toolBody = object({ tenant: optional(name()), tool_name: name(), tool_version: name(), action_kind: name() });
const toolShown = object({ tool_name: name(), tool_version: name(), action_kind: name() });
const listQuery = object({ tenant: optional(name()) });
const MAX_TOOLS = 1_000;
const toolsPage = object({ items: list(toolShown, MAX_TOOLS), next_cursor: optional(text()) });

@Controller('v1/tools')
export class ToolsHttp {
  constructor(
    private readonly facts: DirectoryFacts,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Allow('person:admin', 'root')
  @Describe({ summary: 'Register a tool version and the kind of action it does.', body: toolBody, answers: { 201: toolShown }, codes: ['CONFLICT', 'NOT_FOUND'] })
  register(@ShapedBody(toolBody) body: Shape<typeof toolBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = actingTenant(principal, body.tenant);
    const { tenant: _tenant, ...data } = body;
    return this.facts.record({
      request, principal, tenant, operation: 'register-tool', aggregate: 'tool', id: `${body.tool_name}@${body.tool_version}`, expects: 'new',
      work: async (tx) => {
        await assertTenant(tx, tenant);
        return { fact: { definition: ToolRegistered, data }, status: 201, body: data };
      },
    });
  }

  @Get()
  @Allow('person', 'root')
  @Describe({ summary: 'Registered tools, at most 1,000.', query: listQuery, answers: { 200: toolsPage } })
  async list(@ShapedQuery(listQuery) query: Shape<typeof listQuery>, @Caller() principal: Principal): Promise<ListPage<Shape<typeof toolShown>>> {
    const { rows } = await this.database.query<Shape<typeof toolShown>>('SELECT tool_name, tool_version, action_kind FROM directory_tool WHERE tenant = $1 ORDER BY tool_name, tool_version LIMIT $2', [actingTenant(principal, query.tenant), MAX_TOOLS]);
    return { items: rows, next_cursor: null };
  }
}
