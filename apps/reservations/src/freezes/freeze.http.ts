import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { count, FREEZE_SCOPES, instant, list, name, object, oneOf, optional, text, truth, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import { freezeCovers, initialFreeze } from '@exequatur/reservations-domain';
import type { Freeze } from '@exequatur/reservations-domain';
import { Allow, Answer, Caller, Database, decodeCursor, Describe, Http, IdempotentRequests, pageFields, pageOf, pageSize, problem, shaped, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { actorOf } from '../authority/asking.js';
import { operatedTenant } from '../authority/operator.js';
import { raiseFence } from '../authority/tenant-board.js';
import { freezeStream, FreezeStore } from './freeze-store.js';

/** Claims a preview looks at; beyond, its numbers say "at least". */
const MAX_PREVIEWED = 10_000;
const MAX_NAMED = 100;

const applyShape = object({ tenant: optional(name()), scope: oneOf(...FREEZE_SCOPES), value: text(300), reason: text(1_000) });
const liftShape = object({ reason: text(1_000) });
const freezeAnswer = object({ freeze_id: uuid(), status: oneOf('fenced', 'quiesced', 'lifted'), scope: oneOf(...FREEZE_SCOPES), value: text(300), fence_epoch: count() });
const listed = object({ freeze_id: uuid(), status: oneOf('fenced', 'quiesced', 'lifted'), scope: oneOf(...FREEZE_SCOPES), value: text(300), reason: text(1_000), fence_epoch: count(), unknown_reservations: list(uuid(), 10_000), applied_at: instant() });
const previewQuery = object({ tenant: optional(name()), scope: oneOf(...FREEZE_SCOPES), value: text(300) });
const previewAnswer = object({ standing_claims: count(), may_still_execute: count(), unknown: count(), agents: list(name(), MAX_NAMED), action_kinds: list(name(), MAX_NAMED), at_least: truth() });
const query = object({ ...pageFields, tenant: optional(name()), include_lifted: optional(oneOf('true', 'false')) });
const page = object({ items: list(listed, 200), next_cursor: text(500) });

const STATUS = { Applied: 'fenced', Quiesced: 'quiesced', Lifted: 'lifted' } as const;

interface Row {
  freeze_id: string;
  status: keyof typeof STATUS;
  scope: string;
  value: string;
  reason: string;
  fence_epoch: string;
  unknown_reservations: string[];
  applied_at: Date;
}

interface StandingRow {
  status: string;
  may_still_execute: boolean;
  agent: string;
  action_kind: string;
  tool_name: string;
  tool_version: string;
  grant_id: string;
}

const STANDING = `
SELECT status, status <> 'Unknown' AND grant_id IS NOT NULL AND execute_by > clock_timestamp() AS may_still_execute, agent, action_kind, tool_name, tool_version, grant_id FROM reservation
WHERE tenant = $1 AND status IN ('Held', 'Started', 'Unknown') LIMIT $2`;

/** Stop authority in a scope. The answer `fenced` is the truth: when it is sent, no later claim in the scope exists anywhere. */
@Controller('v1/freezes')
@Allow('person:operator', 'person:admin', 'root')
export class FreezeHttp {
  constructor(
    private readonly freezes: FreezeStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Freeze a tenant, agent, kind, tool (name or name@version) or grant.', body: applyShape, answers: { 201: freezeAnswer }, codes: ['REASON_REQUIRED'] })
  apply(@ShapedBody(applyShape) body: Shape<typeof applyShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = operatedTenant(principal, body.tenant);
    if (body.scope === 'tenant' && body.value !== tenant) return problem('INVALID', undefined, [{ pointer: '/value', expected: 'the tenant' }]);
    const freezeId = newId();
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'apply-freeze',
      locks: { fences: [{ tenant, mode: 'exclusive' }], streams: [freezeStream(tenant, freezeId)] },
      work: async (tx) => {
        const fenceEpoch = await raiseFence(tx, tenant);
        const { scope, value, reason } = body;
        const freeze = await this.freezes.decide(tx, tenant, freezeId, { type: 'ApplyFreeze', data: { freezeId, scope, value, reason, fenceEpoch } }, initialFreeze(), actorOf(principal));
        return { status: 201, body: shown(freeze) };
      },
    });
  }

  /** A person only: root starts and stops the platform, it does not hand authority back. */
  @Post(':id/lift')
  @HttpCode(200)
  @Allow('person:operator', 'person:admin')
  @Describe({ summary: 'Lift a freeze, with a reason.', body: liftShape, answers: { 200: freezeAnswer }, codes: ['REASON_REQUIRED', 'CONFLICT'] })
  lift(@ShapedPath('id', uuid()) freezeId: string, @ShapedBody(liftShape) body: Shape<typeof liftShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = operatedTenant(principal, undefined);
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'lift-freeze',
      locks: { fences: [{ tenant, mode: 'exclusive' }], streams: [freezeStream(tenant, freezeId)] },
      work: async (tx) => {
        const before = await this.freezes.lock(tx, tenant, freezeId);
        if (before.status === 'None') return problem('NOT_FOUND');
        const fenceEpoch = await raiseFence(tx, tenant);
        const freeze = await this.freezes.decide(tx, tenant, freezeId, { type: 'LiftFreeze', data: { reason: body.reason, fenceEpoch } }, before, actorOf(principal));
        return { status: 200, body: shown(freeze) };
      },
    });
  }

  /** The blast radius: what stands now in the scope. Nothing new would start; what may still execute does so by its execute_by. */
  @Get('preview')
  @Describe({ summary: 'What a freeze would stop, and what it could no longer stop.', query: previewQuery, answers: { 200: previewAnswer } })
  async preview(@ShapedQuery(previewQuery) asked: Shape<typeof previewQuery>, @Caller() principal: Principal): Promise<unknown> {
    const tenant = operatedTenant(principal, asked.tenant);
    const { rows } = await this.database.query<StandingRow>(STANDING, [tenant, MAX_PREVIEWED]);
    const covered = rows.filter((row) =>
      freezeCovers({ freezeId: '', scope: asked.scope, value: asked.value }, { tenant, agent: row.agent, actionKind: row.action_kind, tool: { name: row.tool_name, version: row.tool_version }, grantId: row.grant_id }),
    );
    const distinct = (values: readonly string[]): readonly string[] => [...new Set(values)].sort().slice(0, MAX_NAMED);
    return {
      standing_claims: covered.length,
      may_still_execute: covered.filter(({ may_still_execute }) => may_still_execute).length,
      unknown: covered.filter(({ status }) => status === 'Unknown').length,
      agents: distinct(covered.map(({ agent }) => agent)),
      action_kinds: distinct(covered.map(({ action_kind }) => action_kind)),
      at_least: rows.length === MAX_PREVIEWED,
    };
  }

  @Get()
  @Allow('person:operator', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'Freezes that stand; with include_lifted=true all.', query, answers: { 200: page } })
  async list(@ShapedQuery(query) asked: Shape<typeof query>, @Caller() principal: Principal): Promise<unknown> {
    const tenant = operatedTenant(principal, asked.tenant);
    const after = asked.cursor === undefined ? null : shaped(uuid(), decodeCursor(asked.cursor));
    const size = pageSize(asked.limit);
    const { rows } = await this.database.query<Row>(
      `SELECT freeze_id, status, scope, value, reason, fence_epoch, unknown_reservations, applied_at FROM scope_freeze
       WHERE tenant = $1 AND ($2 OR status <> 'Lifted') AND ($3::uuid IS NULL OR freeze_id < $3) ORDER BY freeze_id DESC LIMIT $4`,
      [tenant, asked.include_lifted === 'true', after, size + 1],
    );
    return pageOf(
      rows,
      size,
      ({ freeze_id }) => freeze_id,
      (row) => ({ ...row, status: STATUS[row.status], fence_epoch: Number(row.fence_epoch), applied_at: toInstant(row.applied_at.getTime()) }),
    );
  }
}

const shown = (freeze: Freeze) =>
  freeze.status === 'None' ? problem('NOT_FOUND') : { freeze_id: freeze.freezeId, status: STATUS[freeze.status], scope: freeze.scope, value: freeze.value, fence_epoch: freeze.fenceEpoch };
