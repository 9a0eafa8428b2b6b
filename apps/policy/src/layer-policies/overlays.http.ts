import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { hash, count, list, name, object, optional, scopePath, text } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { ownPolicy, readPolicy } from '@exequatur/policy-domain';
import { actingTenant, actorOf, Allow, Caller, Database, Describe, Http, IdempotentRequests, problem, ShapedBody, ShapedQuery } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { PolicyPublisher, publicationLocks } from '../policy-versions/policy-publisher.js';
import { latestRow } from '../policy-versions/policy-version-rows.js';
import { publishedVersion } from '../publish-policy/publish-policy.http.js';
import { overlayRows } from './layer-rows.js';
import { changeOverlay, checkedOverlay } from './overlays.js';

/** An empty source takes the overlay away. */
export const overlayFields = { name: name(), scope: scopePath() };
const overlayBody = object({ tenant: optional(name()), ...overlayFields, source: plainText(131_072), reason: plainText(1_000) });
const tenantQuery = object({ tenant: optional(name()) });
const overlays = object({ items: list(object({ name: name(), scope: scopePath(), overlay_version: count(), layer_hash: hash(), source: text(131_072) }), 100) });

/** Overlays: restrictions for a part of a tenant's scopes, such as one workspace. */
@Controller('v1/policies/overlays')
export class OverlaysHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly store: PgEventStore,
    private readonly publisher: PolicyPublisher,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Allow('person:policy-admin', 'root')
  @Describe({ summary: 'Put restrictions on a scope, change them, or take them away with an empty source; published as the tenant’s next version.', body: overlayBody, answers: { 201: publishedVersion }, codes: ['INVALID', 'NOT_FOUND', 'CONFLICT', 'TOO_LARGE', 'APPROVAL_REQUIRED'] })
  put(@ShapedBody(overlayBody) body: Shape<typeof overlayBody>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const { name: overlay, scope, source, reason } = body;
    const tenant = actingTenant(principal, body.tenant);
    const change = { tenant, name: overlay, scope, source };
    checkedOverlay(change);
    return this.requests.run({
      request, principal, tenant, operation: 'put-overlay', locks: publicationLocks(tenant),
      work: async (tx) => {
        const latest = (await latestRow(tx, tenant)) ?? problem('CONFLICT', 'the tenant has published no policy that an overlay could stand beside');
        await changeOverlay(tx, change);
        const { published, write } = await this.publisher.publish(tx, { tenant, source: latest.source, policy: ownPolicy(readPolicy(latest.canonical)), reason, actor: actorOf(principal) });
        await this.store.append(tx, [write]);
        return { status: 201, body: published };
      },
    });
  }

  @Get()
  @Allow('person:policy-admin', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'The overlays of a tenant.', query: tenantQuery, answers: { 200: overlays } })
  async list(@ShapedQuery(tenantQuery) query: Shape<typeof tenantQuery>, @Caller() principal: Principal): Promise<Shape<typeof overlays>> {
    const rows = await overlayRows(this.database, actingTenant(principal, query.tenant));
    return { items: rows.map((row) => ({ name: row.name, scope: row.scope, overlay_version: Number(row.version), layer_hash: row.policy_hash, source: row.source })) };
  }
}
