import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { list, name, object, optional, TenantCreated, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, decodeCursor, Describe, Http, pageFields, pageOf, pageSize, shaped, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, ListPage, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { DirectoryFacts } from './directory-facts.js';

/** Stricter than other names: it is the first segment of every scope path. */
const tenantName = { json: { type: 'string', pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$' } } as { json: Record<string, unknown>; type?: string };
const tenant = object({ tenant: tenantName, display_name: plainText(200) });
const tenants = object({ items: list(tenant, 200), next_cursor: optional(text()) });
const listQuery = object(pageFields);

@Controller('v1/tenants')
@Allow('root')
export class TenantsHttp {
  constructor(
    private readonly facts: DirectoryFacts,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Create a tenant.', body: tenant, answers: { 201: tenant }, codes: ['CONFLICT'] })
  create(@ShapedBody(tenant) body: Shape<typeof tenant>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.facts.record({
      request, principal, tenant: body.tenant, operation: 'create-tenant', aggregate: 'tenant', id: body.tenant, expects: 'new',
      work: () => Promise.resolve({ fact: { definition: TenantCreated, data: body }, status: 201, body }),
    });
  }

  @Get()
  @Describe({ summary: 'Tenants by name.', query: listQuery, answers: { 200: tenants } })
  async list(@ShapedQuery(listQuery) query: Shape<typeof listQuery>): Promise<ListPage<Shape<typeof tenant>>> {
    const size = pageSize(query.limit);
    const position = decodeCursor(query.cursor);
    const after = position === undefined ? '' : shaped(name(), position);
    const { rows } = await this.database.query<{ tenant: string; display_name: string }>('SELECT tenant, display_name FROM directory_tenant WHERE tenant > $1 ORDER BY tenant LIMIT $2', [after, size + 1]);
    return pageOf(rows, size, (row) => row.tenant, (row) => row);
  }
}
