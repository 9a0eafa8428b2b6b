import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { count, FREEZE_SCOPES, instant, list, name, object, oneOf, optional, scopePath, text, uuid, WIDE_FREEZE_SCOPES } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { pipelined } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import { tenantOfScopePath } from '@exequatur/reservations-domain';
import type { Freeze, FreezeScope } from '@exequatur/reservations-domain';
import { actorOf, Allow, Answer, Caller, Database, decodeCursor, Describe, Http, IdempotentRequests, pageFields, pageOf, pageSize, problem, shaped, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { operatedTenant } from '../authority/operator.js';
import { databaseNow } from '../authority/runtime-authority.js';
import { nextFence, sendFence } from '../authority/tenant-board.js';
import { freezeStream, FreezeStore, NO_FREEZE } from './freeze-store.js';

export const freezeScope = () => oneOf(...FREEZE_SCOPES, ...WIDE_FREEZE_SCOPES);

const applyShape = object({ tenant: optional(name()), scope: freezeScope(), value: text(300), reason: text(1_000) });
const liftShape = object({ reason: text(1_000) });
const freezeAnswer = object({ freeze_id: uuid(), status: oneOf('fenced', 'quiesced', 'lifted'), scope: freezeScope(), value: text(300), fence_epoch: count() });
const listed = object({ freeze_id: uuid(), status: oneOf('fenced', 'quiesced', 'lifted'), scope: freezeScope(), value: text(300), reason: text(1_000), fence_epoch: count(), unknown_reservations: list(uuid(), 10_000), applied_at: instant() });
const query = object({ ...pageFields, tenant: optional(name()), include_lifted: optional(oneOf('true', 'false')) });
const page = object({ items: list(listed, 200), next_cursor: text(500) });

const STATUS = { Applied: 'fenced', Quiesced: 'quiesced', Lifted: 'lifted' } as const;

interface Row {
  freeze_id: string;
  status: keyof typeof STATUS;
  scope: FreezeScope;
  value: string;
  reason: string;
  fence_epoch: string;
  unknown_reservations: string[];
  applied_at: Date;
}

/** A freeze that could never cover anything would be believed to have stopped something. @throws Problem INVALID */
export const inOwnTenant = (tenant: string, { scope, value }: { readonly scope: FreezeScope; readonly value: string }): void => {
  if (scope === 'tenant' && value !== tenant) problem('INVALID', undefined, [{ pointer: '/value', expected: 'the tenant' }]);
  if (scope !== 'workflow') return;
  shaped(object({ value: scopePath() }), { value });
  if (tenantOfScopePath(value) !== tenant) problem('INVALID', undefined, [{ pointer: '/value', expected: 'a scope path of the tenant' }]);
};

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
  @Describe({ summary: 'Freeze a tenant, agent, kind, tool (name or name@version), tool set, workflow (a scope path and everything below it), run or grant.', body: applyShape, answers: { 201: freezeAnswer }, codes: ['REASON_REQUIRED'] })
  apply(@ShapedBody(applyShape) body: Shape<typeof applyShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    const tenant = operatedTenant(principal, body.tenant);
    inOwnTenant(tenant, body);
    const freezeId = newId();
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'apply-freeze',
      locks: { fences: [{ tenant, mode: 'exclusive' }], streams: [], fresh: [freezeStream(tenant, freezeId)] },
      read: (tx) => pipelined(nextFence(tx, tenant), databaseNow(tx)),
      work: (tx, [fenceEpoch, nowMs]) => {
        const { scope, value, reason } = body;
        const freeze = this.freezes.decide(tx, { tenant, freezeId, command: { type: 'ApplyFreeze', data: { freezeId, scope, value, reason, fenceEpoch } }, actor: actorOf(principal), nowMs }, NO_FREEZE);
        sendFence(tx, tenant, fenceEpoch);
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
      read: (tx) => pipelined(this.freezes.lock(tx, tenant, freezeId), nextFence(tx, tenant), databaseNow(tx)),
      work: (tx, [before, fenceEpoch, nowMs]) => {
        if (before.freeze.status === 'None') return problem('NOT_FOUND');
        const freeze = this.freezes.decide(tx, { tenant, freezeId, command: { type: 'LiftFreeze', data: { reason: body.reason, fenceEpoch } }, actor: actorOf(principal), nowMs }, before);
        sendFence(tx, tenant, fenceEpoch);
        return { status: 200, body: shown(freeze) };
      },
    });
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
