import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { authorityShape, capsShape, count, hash, instant, list, MAX_DELEGATION_DEPTH, name, object, oneOf, optional, scopePath, text, unitAmount, uuid } from '@exequatur/contracts';
import type { DelegatedAuthority, Grant, Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import { initialDelegation } from '@exequatur/reservations-domain';
import type { DelegationState } from '@exequatur/reservations-domain';
import { actorOf, Allow, Answer, Caller, Database, decodeCursor, Describe, Directory, Http, IdempotentRequests, pageFields, pageOf, pageSize, problem, shaped, ShapedBody, ShapedPath, ShapedQuery, Signer } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { admitGrants } from '../authority/grant-rows.js';
import { operatedTenant } from '../authority/operator.js';
import { verifyGrant } from '../authority/present-grant.js';
import { databaseNow } from '../authority/runtime-authority.js';
import type { DelegationRow } from './delegation-rows.js';
import { delegationStream, DelegationStore } from './delegation-store.js';

const parentShape = () => object({ type: oneOf('grant', 'run', 'delegation'), id: text(128) });
/** What is left out is handed on as it is. */
const narrowedShape = object({
  scope_path: optional(scopePath()),
  kinds: optional(list(name(), 50)),
  tools: optional(list(text(257), 50)),
  targets: optional(list(hash(), 50)),
  caps: optional(capsShape),
  max_uses: optional(count(10_000)),
  total_points: optional(count()),
  total_amounts: optional(list(unitAmount, 20)),
  expires_at: optional(instant()),
});
const grantShape = object({ parent: parentShape(), /** presents the parent, where its event may not have come yet */ grant: optional(text(65_536)), to_agent: name(), authority: optional(narrowedShape) });
const revokeShape = object({ reason: text(1_000) });

const delegationFields = { delegation_id: uuid(), parent: parentShape(), from_agent: name(), to_agent: name(), run_id: name(), depth: count(MAX_DELEGATION_DEPTH), authority: authorityShape };
const granted = object(delegationFields);
const revoked = object({ delegation_id: uuid(), status: oneOf('revoked') });
const listed = object({ ...delegationFields, status: oneOf('standing', 'revoked', 'expired'), uses: count(), amounts: list(unitAmount, 50) });
const query = object({ ...pageFields, tenant: optional(name()), agent: optional(name()) });
const page = object({ items: list(listed, 200), next_cursor: text(500) });

interface Row extends Omit<DelegationRow, 'tenant'> {
  now: Date;
}

/** A delegation is revoked with any above it. */
const LIST = `
SELECT d.delegation_id, d.parent_type, d.parent_id, d.from_agent, d.to_agent, d.run_id, d.depth, d.authority, d.uses, d.amounts, clock_timestamp() AS now,
  d.revoked OR coalesce(p.revoked, false) OR coalesce(g.revoked, false) AS revoked
FROM delegation d LEFT JOIN delegation p ON p.tenant = d.tenant AND p.delegation_id = d.above LEFT JOIN delegation g ON g.tenant = d.tenant AND g.delegation_id = p.above
WHERE d.tenant = $1 AND ($2::text IS NULL OR d.from_agent = $2 OR d.to_agent = $2) AND ($3::uuid IS NULL OR d.delegation_id < $3) ORDER BY d.delegation_id DESC LIMIT $4`;

/** An agent hands part of its authority to another, and takes it back. */
@Controller('v1/delegations')
export class DelegationHttp {
  constructor(
    private readonly delegations: DelegationStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly database: Database,
    private readonly directory: Directory,
    private readonly signer: Signer,
  ) {}

  @Post()
  @HttpCode(201)
  @Allow('agent')
  @Describe({ summary: 'Hand a grant, a run or a delegation on to another agent, narrowed on any dimension.', body: grantShape, answers: { 201: granted }, codes: ['GRANT_UNKNOWN', 'GRANT_REVOKED', 'GRANT_EXPIRED', 'AGENT_MISMATCH', 'WIDENS_AUTHORITY'] })
  async grant(@ShapedBody(grantShape) body: Shape<typeof grantShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    if (principal.type !== 'agent') return problem('FORBIDDEN');
    const { tenant, id: agent, scopePrefix } = principal;
    shaped(object({ parent: object({ id: body.parent.type === 'run' ? name() : uuid() }) }), { parent: { id: body.parent.id } });
    if ((await this.directory.agent(tenant, body.to_agent)) === undefined) return problem('INVALID', 'no such agent', [{ pointer: '/to_agent', expected: 'an agent of the tenant' }]);
    const presented = await this.presented(body.grant, tenant);
    const delegationId = newId();
    return this.requests.run({
      request,
      principal,
      operation: 'grant-delegation',
      locks: { fences: [{ tenant, mode: 'shared' }], streams: [delegationStream(tenant, delegationId)] },
      work: async (tx) => {
        if (presented !== undefined) await admitGrants(tx, [presented]);
        const parent = await this.delegations.parent(tx, { tenant, agent, scopePrefix }, body.parent);
        const command = { delegationId, parent, fromAgent: agent, toAgent: body.to_agent, authority: body.authority ?? {}, nowMs: await databaseNow(tx) };
        const [event] = await this.delegations.decide(tx, tenant, delegationId, { type: 'GrantDelegation', data: command }, initialDelegation(), actorOf(principal));
        return { status: 201, body: event?.data };
      },
    });
  }

  /** By whoever handed it on, by an agent above, or by a person. It, and all below it, end when this is answered. */
  @Post(':id/revoke')
  @HttpCode(200)
  @Allow('agent', 'person:operator', 'person:admin')
  @Describe({ summary: 'Take a delegation back, and with it every one below it.', body: revokeShape, answers: { 200: revoked }, codes: ['REASON_REQUIRED'] })
  revoke(@ShapedPath('id', uuid()) delegationId: string, @ShapedBody(revokeShape) { reason }: Shape<typeof revokeShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = principal.type === 'agent' ? principal.tenant : operatedTenant(principal, undefined);
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'revoke-delegation',
      locks: { fences: [{ tenant, mode: 'shared' }], streams: [delegationStream(tenant, delegationId)] },
      work: async (tx) => {
        const chain = await this.delegations.chain(tx, tenant, delegationId);
        const [own] = chain;
        if (own === undefined || (principal.type === 'agent' && !chain.some(({ fromAgent }) => fromAgent === principal.id))) return problem('NOT_FOUND');
        const before: DelegationState = { ...own, status: own.revoked ? 'Revoked' : 'Granted' };
        await this.delegations.decide(tx, tenant, delegationId, { type: 'RevokeDelegation', data: { reason } }, before, actorOf(principal));
        return { status: 200, body: { delegation_id: delegationId, status: 'revoked' } };
      },
    });
  }

  @Get()
  @Allow('agent', 'person:operator', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'Delegations, the newest first, with what was claimed under them; an agent sees those from and to itself.', query, answers: { 200: page } })
  async list(@ShapedQuery(query) asked: Shape<typeof query>, @Caller() principal: Principal): Promise<unknown> {
    const tenant = principal.type === 'agent' ? principal.tenant : operatedTenant(principal, asked.tenant);
    const agent = principal.type === 'agent' ? principal.id : (asked.agent ?? null);
    const after = asked.cursor === undefined ? null : shaped(uuid(), decodeCursor(asked.cursor));
    const size = pageSize(asked.limit);
    const { rows } = await this.database.query<Row>(LIST, [tenant, agent, after, size + 1]);
    return pageOf(rows, size, ({ delegation_id }) => delegation_id, shown);
  }

  /** A grant whose signature is not its owner's, or of another tenant, is as good as none. */
  private async presented(token: string | undefined, tenant: string): Promise<Grant | undefined> {
    const grant = token === undefined ? undefined : await verifyGrant(this.signer, token);
    return grant?.tenant === tenant ? grant : undefined;
  }
}

const shown = ({ delegation_id, parent_type, parent_id, from_agent, to_agent, run_id, depth, authority: text_, revoked: taken, uses, amounts, now }: Row) => {
  const authority = JSON.parse(text_) as DelegatedAuthority;
  return {
    delegation_id,
    parent: { type: parent_type, id: parent_id },
    from_agent,
    to_agent,
    run_id,
    depth,
    authority,
    status: taken ? 'revoked' : Date.parse(authority.expires_at) <= now.getTime() ? 'expired' : 'standing',
    uses,
    amounts: Object.entries(JSON.parse(amounts) as Record<string, string>).map(([unit, amount]) => ({ unit, amount })),
  };
};
