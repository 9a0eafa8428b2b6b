import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { anything, count, hash, instant, list, MAX_POLICY_SOURCE, name, object, oneOf, optional, scopePath, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { EMPTY_POLICY, policyDiff, readPolicy } from '@exequatur/policy-domain';
import { actingTenant, Allow, Caller, Database, decodeCursor, Describe, Http, pageFields, pageOf, pageSize, problem, shaped, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, ListPage, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { latestRow } from '../policy-versions/policy-version-rows.js';
import { publishedVersion } from '../publish-policy/publish-policy.http.js';
import { draftRow, draftRows } from './draft-rows.js';
import type { DraftRow } from './draft-rows.js';
import { PolicyDrafts, policyOf } from './policy-drafts.js';

const overlay = object({ name: name(), scope: scopePath() });
const draftBody = object({ tenant: optional(name()), source: plainText(MAX_POLICY_SOURCE), reason: plainText(1_000), /** it is an overlay for this scope, not the tenant's own policy; an empty source takes the overlay away */ overlay: optional(overlay) });
const publishBody = object({ tenant: optional(name()), /** that of the draft when absent */ reason: optional(plainText(1_000)) });
const drafted = object({ draft_id: uuid(), policy_hash: hash(), base_version: count() });
const listed = { draft_id: uuid(), status: oneOf('draft', 'published'), reason: text(), drafted_by: text(), drafted_at: instant(), policy_hash: hash(), base_version: count(), published_version: optional(count()), overlay: optional(overlay) };
const draftShown = object({ ...listed, source: text(MAX_POLICY_SOURCE), differences: list(anything(), 10_000) });
const draftPage = object({ items: list(object(listed), 200), next_cursor: optional(text()) });
const listQuery = object({ ...pageFields, tenant: optional(name()) });
const tenantQuery = object({ tenant: optional(name()) });

/** A policy that is written down, looked at by others, and published by one of them. */
@Controller('v1/policies/drafts')
@Allow('person:policy-admin', 'root')
export class DraftsHttp {
  constructor(
    private readonly drafts: PolicyDrafts,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Store a policy, or an overlay, that somebody may publish.', body: draftBody, answers: { 201: drafted }, codes: ['INVALID', 'NOT_FOUND', 'CONFLICT'] })
  draft(@ShapedBody(draftBody) body: Shape<typeof draftBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.drafts.keep({ tenant: actingTenant(principal, body.tenant), principal, request }, body);
  }

  @Post(':id/publish')
  @HttpCode(201)
  @Describe({ summary: 'Publish a draft as the tenant’s next version; where the policy of today asks for two people, not one’s own.', body: publishBody, answers: { 201: publishedVersion }, codes: ['NOT_FOUND', 'CONFLICT', 'STALE', 'SELF_APPROVAL', 'TOO_LARGE'] })
  publish(@ShapedPath('id', uuid()) id: string, @ShapedBody(publishBody) body: Shape<typeof publishBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.drafts.publish({ tenant: actingTenant(principal, body.tenant), principal, request }, id, body.reason);
  }

  @Get()
  @Allow('person:policy-admin', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'Drafts, newest first.', query: listQuery, answers: { 200: draftPage } })
  async list(@ShapedQuery(listQuery) query: Shape<typeof listQuery>, @Caller() principal: Principal): Promise<ListPage<ReturnType<typeof shownOf>>> {
    const size = pageSize(query.limit);
    const position = decodeCursor(query.cursor);
    const rows = await draftRows(this.database, actingTenant(principal, query.tenant), position === undefined ? undefined : shaped(uuid(), position), size);
    return pageOf(rows, size, ({ draft_id }) => draft_id, shownOf);
  }

  @Get(':id')
  @Allow('person:policy-admin', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'A draft with its source, and what it would change in the newest version.', query: tenantQuery, answers: { 200: draftShown }, codes: ['NOT_FOUND'] })
  async one(@ShapedPath('id', uuid()) id: string, @ShapedQuery(tenantQuery) query: Shape<typeof tenantQuery>, @Caller() principal: Principal): Promise<object> {
    const tenant = actingTenant(principal, query.tenant);
    const row = (await draftRow(this.database, tenant, id)) ?? problem('NOT_FOUND', 'no such draft');
    const latest = await latestRow(this.database, tenant);
    const after = await policyOf(this.database, tenant, { source: row.source, ...overlayOf(row) });
    return { ...shownOf(row), source: row.source, differences: policyDiff(latest === undefined ? EMPTY_POLICY : readPolicy(latest.canonical), after) };
  }
}

const overlayOf = ({ overlay_name: overlayName, overlay_scope: scope }: DraftRow): { readonly overlay?: Shape<typeof overlay> } => (overlayName === null || scope === null ? {} : { overlay: { name: overlayName, scope } });

const shownOf = (row: DraftRow) => ({
  draft_id: row.draft_id,
  status: row.published_version === null ? ('draft' as const) : ('published' as const),
  reason: row.reason,
  drafted_by: row.drafted_by,
  drafted_at: row.drafted_at.toISOString(),
  policy_hash: row.policy_hash,
  base_version: Number(row.base_version),
  ...(row.published_version === null ? {} : { published_version: Number(row.published_version) }),
  ...overlayOf(row),
});
