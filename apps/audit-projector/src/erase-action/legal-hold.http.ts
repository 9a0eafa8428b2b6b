import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { instant, LegalHoldLifted, LegalHoldPlaced, list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { Allow, Answer, Caller, Database, decodeCursor, Describe, Http, IdempotentRequests, pageFields, pageOf, pageSize, principalName, problem, requireIdempotencyKey, shaped, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { whoseLog } from '../whose-log.js';
import { actorOf, appendFact, assertKnownAction, holdStream, streamsOf } from './keeping.js';

const holdBody = object({ tenant: optional(name()), action_id: uuid(), reason: text(1_000) });
const liftBody = object({ tenant: optional(name()), reason: text(1_000) });
const holdAnswer = object({ action_id: uuid(), status: oneOf('held', 'lifted') });
const holdQuery = object({ ...pageFields, tenant: optional(name()) });
const holdPage = object({ items: list(object({ action_id: uuid(), reason: text(1_000), placed_by: text(300), placed_at: instant() }), 200), next_cursor: optional(text(500)) });

/** A legal hold keeps an action from being erased until a person lifts it. */
@Controller('v1/log/legal-holds')
@Allow('person:admin', 'root')
export class LegalHoldHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly store: PgEventStore,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Keep an action from being erased.', body: holdBody, answers: { 201: holdAnswer }, codes: ['REASON_REQUIRED', 'CONFLICT'] })
  place(@Http() request: HttpRequest, @Caller() principal: Principal, @ShapedBody(holdBody) body: Shape<typeof holdBody>): Promise<Answer> {
    const tenant = whoseLog(principal, body.tenant);
    const { action_id: actionId, reason } = body;
    requireIdempotencyKey(request);
    if (reason.trim() === '') return problem('REASON_REQUIRED');
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'place-legal-hold',
      locks: { streams: streamsOf(tenant, actionId) },
      work: async (tx) => {
        await assertKnownAction(tx, tenant, actionId);
        const { rowCount } = await tx.query('INSERT INTO legal_hold (tenant, action_id, reason, placed_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [tenant, actionId, reason, principalName(principal)]);
        if (rowCount !== 1) problem('CONFLICT', 'this action is held already');
        await appendFact(this.store, tx, holdStream(tenant, actionId), actionId, LegalHoldPlaced, { action_id: actionId, reason }, actorOf(principal));
        return { status: 201, body: { action_id: actionId, status: 'held' } };
      },
    });
  }

  @Post(':action_id/lift')
  @HttpCode(200)
  @Describe({ summary: 'Lift a legal hold.', body: liftBody, answers: { 200: holdAnswer }, codes: ['REASON_REQUIRED'] })
  lift(@Http() request: HttpRequest, @Caller() principal: Principal, @ShapedPath('action_id', uuid()) actionId: string, @ShapedBody(liftBody) body: Shape<typeof liftBody>): Promise<Answer> {
    const tenant = whoseLog(principal, body.tenant);
    requireIdempotencyKey(request);
    if (body.reason.trim() === '') return problem('REASON_REQUIRED');
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'lift-legal-hold',
      locks: { streams: streamsOf(tenant, actionId) },
      work: async (tx) => {
        const { rowCount } = await tx.query('DELETE FROM legal_hold WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
        if (rowCount !== 1) problem('NOT_FOUND');
        await appendFact(this.store, tx, holdStream(tenant, actionId), actionId, LegalHoldLifted, { action_id: actionId, reason: body.reason }, actorOf(principal));
        return { status: 200, body: { action_id: actionId, status: 'lifted' } };
      },
    });
  }

  @Get()
  @Describe({ summary: 'Legal holds that stand.', query: holdQuery, answers: { 200: holdPage } })
  async list(@Caller() principal: Principal, @ShapedQuery(holdQuery) query: Shape<typeof holdQuery>): Promise<unknown> {
    const tenant = whoseLog(principal, query.tenant);
    const size = pageSize(query.limit);
    const after = query.cursor === undefined ? '00000000-0000-0000-0000-000000000000' : shaped(uuid(), decodeCursor(query.cursor));
    const { rows } = await this.database.query<{ action_id: string; reason: string; placed_by: string; placed_at: Date }>('SELECT action_id, reason, placed_by, placed_at FROM legal_hold WHERE tenant = $1 AND action_id > $2 ORDER BY action_id LIMIT $3', [tenant, after, size + 1]);
    return pageOf(rows, size, ({ action_id: id }) => id, (row) => ({ ...row, placed_at: row.placed_at.toISOString() }));
  }
}
