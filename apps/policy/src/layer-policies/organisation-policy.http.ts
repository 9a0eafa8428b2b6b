import { Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { count, hash, instant, MAX_POLICY_SOURCE, object, optional, text, truth } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { MAX_ORGANISATION, policyHash, policyText } from '@exequatur/policy-domain';
import { actorOf, Allow, Answer, Caller, CLOCK, Database, Describe, Http, IdempotentRequests, problem, ShapedBody } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { plainText } from '../plain-text.js';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { authorOf } from '../policy-versions/policy-publisher.js';
import { faultyPolicy } from '../publish-policy/publish-policy.handler.js';
import { BringUpToDate } from './bring-up-to-date.js';
import { insertOrganisation, organisationRow } from './layer-rows.js';

/** The organisation is no tenant; no tenant can have this name. */
const PLATFORM = '-';
const body = object({ /** YAML */ source: plainText(MAX_POLICY_SOURCE), reason: plainText(900), /** check only */ validate_only: optional(truth()) });
const published = object({ organisation_version: count(), layer_hash: hash(), published_at: instant() });
/** version 0: there is none */
const shown = object({ organisation_version: count(), layer_hash: optional(hash()), source: optional(text(MAX_POLICY_SOURCE)), reason: optional(text()), published_by: optional(text()), published_at: optional(instant()), /** tenants whose newest version is composed of an older layer */ tenants_behind: count() });

/** Invariants of the organisation: above the policies of all tenants, and loosened by none. */
@Controller('v1/policies/organisation')
export class OrganisationPolicyHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly tenants: BringUpToDate,
    private readonly database: Database,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  @Post()
  @HttpCode(201)
  @Allow('root')
  @Describe({ summary: 'Publish the layer above the policies of all tenants. Answered when each tenant with a policy has a new version composed with it.', body, answers: { 200: object({ valid: truth() }), 201: published }, codes: ['INVALID', 'TOO_LARGE'] })
  async publish(@ShapedBody(body) { source, reason, validate_only: isCheck }: Shape<typeof body>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const file = readPolicyFile(source, 'organisation');
    if (!file.ok) throw faultyPolicy(file.findings);
    const { policy } = file;
    if (policyText(policy).length > MAX_ORGANISATION) problem('TOO_LARGE', `the canonical layer has more than ${MAX_ORGANISATION} characters`);
    if (isCheck === true) return Answer.json(200, { valid: true });
    const answer = await this.requests.run({
      request,
      principal,
      tenant: PLATFORM,
      operation: 'publish-organisation-policy',
      locks: { streams: [{ tenant: PLATFORM, aggregate: 'organisation-policy', id: PLATFORM }] },
      work: async (tx) => {
        const version = Number((await organisationRow(tx))?.version ?? 0) + 1;
        const at = this.clock.now();
        await insertOrganisation(tx, { version, source, policy, reason, by: authorOf(actorOf(principal)), at: new Date(at) });
        return { status: 201, body: { organisation_version: version, layer_hash: policyHash(policy), published_at: toInstant(at) } };
      },
    });
    // After the layer is there: a publication of a tenant that did not see it holds its fence, and is waited for.
    await this.tenants.all();
    return answer;
  }

  @Get()
  @Allow('root', 'person:policy-admin', 'person:auditor')
  @Describe({ summary: 'The newest layer of the organisation.', answers: { 200: shown } })
  async newest(): Promise<Shape<typeof shown>> {
    const row = await organisationRow(this.database);
    if (row === undefined) return { organisation_version: 0, tenants_behind: 0 };
    const { version, policy_hash: layerHash, source, reason, published_by: by, published_at: at } = row;
    return { organisation_version: Number(version), layer_hash: layerHash, source, reason, published_by: by, published_at: at.toISOString(), tenants_behind: await this.tenants.behind() };
  }
}
