import { Controller, Get } from '@nestjs/common';
import { count, hash, instant, jws, list, MAX_CANONICAL_POLICY, MAX_POLICY_SOURCE, name, object, oneOf, optional, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { actingTenant, Allow, Caller, decodeCursor, Describe, pageFields, pageOf, pageSize, shaped, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { ListPage, Principal } from '@exequatur/service-kit';
import { PolicyVersions } from './policy-versions.query.js';
import type { PolicyVersionSummary } from './policy-versions.query.js';

const summary = {
  policy_version: count(),
  policy_hash: hash(),
  reason: text(),
  published_by: text(),
  published_at: instant(),
  status: oneOf('published', 'in_force'),
  in_force_at: optional(instant()),
  rolled_back_to: optional(count()),
  /** of the organisation's layer that is composed into it */
  organisation_version: optional(count()),
};
/** `canonical` is the text that policy_hash is the hash of; `bundle` signs the hash, the version and the tenant (JWS). */
const wholeVersion = object({ ...summary, source: text(MAX_POLICY_SOURCE), registered_kinds: list(name(), 10_000), canonical: text(MAX_CANONICAL_POLICY), bundle: optional(jws()) });
const versionPage = object({ items: list(object(summary), 200), next_cursor: optional(text()) });
const listQuery = object({ ...pageFields, tenant: optional(name()) });
const tenantQuery = object({ tenant: optional(name()) });
/** Decimal digits: a path holds text. */
const versionText = { json: { type: 'string', pattern: '^[1-9]\\d{0,14}$' } } as const;

@Controller('v1/policies')
@Allow('person:policy-admin', 'person:admin', 'person:auditor', 'person:operator', 'root')
export class PolicyVersionsHttp {
  constructor(private readonly versions: PolicyVersions) {}

  @Get()
  @Describe({ summary: 'Policy versions, newest first.', query: listQuery, answers: { 200: versionPage } })
  async list(@ShapedQuery(listQuery) query: Shape<typeof listQuery>, @Caller() principal: Principal): Promise<ListPage<PolicyVersionSummary>> {
    const size = pageSize(query.limit);
    const position = decodeCursor(query.cursor);
    const rows = await this.versions.page(actingTenant(principal, query.tenant), position === undefined ? undefined : shaped(count(), position), size);
    return pageOf(rows, size, ({ policy_version }) => policy_version, (row) => row);
  }

  @Get('in-force')
  @Describe({ summary: 'The newest version the runtime authority acts on.', query: tenantQuery, answers: { 200: wholeVersion }, codes: ['NOT_FOUND'] })
  inForce(@ShapedQuery(tenantQuery) query: Shape<typeof tenantQuery>, @Caller() principal: Principal): Promise<object> {
    return this.versions.inForce(actingTenant(principal, query.tenant));
  }

  @Get(':version')
  @Describe({ summary: 'One policy version with its source.', query: tenantQuery, answers: { 200: wholeVersion }, codes: ['NOT_FOUND'] })
  one(@ShapedPath('version', versionText) version: string, @ShapedQuery(tenantQuery) query: Shape<typeof tenantQuery>, @Caller() principal: Principal): Promise<object> {
    return this.versions.one(actingTenant(principal, query.tenant), Number(version));
  }
}
