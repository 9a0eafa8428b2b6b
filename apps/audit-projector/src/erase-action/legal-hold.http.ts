import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { instant, LegalHoldLifted, LegalHoldPlaced, list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Answer, Caller, Database, decodeCursor, Describe, Http, pageFields, pageOf, pageSize, principalName, problem, shaped, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { whoseLog } from '../whose-log.js';
import { AboutAction } from './about-action.js';
import { holdStream } from './keeping.js';

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
    private readonly orders: AboutAction,
    private readonly database: Database,
  ) {}

  @Post()
  @HttpCode(201)
  @Describe({ summary: 'Keep an action from being erased.', body: holdBody, answers: { 201: holdAnswer }, codes: ['REASON_REQUIRED', 'CONFLICT'] })
  place(@Http() request: HttpRequest, @Caller() principal: Principal, @ShapedBody(holdBody) { tenant: named, action_id: actionId, reason }: Shape<typeof holdBody>): Promise<Answer> {
    return this.orders.carryOut({ request, principal, named, actionId, reason, operation: 'place-legal-hold' }, 201, async ({ tx, tenant, append }) => {
      const { rowCount } = await tx.query('INSERT INTO legal_hold (tenant, action_id, reason, placed_by) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING', [tenant, actionId, reason, principalName(principal)]);
      if (rowCount !== 1) problem('CONFLICT', 'this action is held already');
      await append(holdStream(tenant, actionId), LegalHoldPlaced, { action_id: actionId, reason });
      return { action_id: actionId, status: 'held' };
    });
  }

  @Post(':action_id/lift')
  @HttpCode(200)
  @Describe({ summary: 'Lift a legal hold.', body: liftBody, answers: { 200: holdAnswer }, codes: ['REASON_REQUIRED'] })
  lift(@Http() request: HttpRequest, @Caller() principal: Principal, @ShapedPath('action_id', uuid()) actionId: string, @ShapedBody(liftBody) { tenant: named, reason }: Shape<typeof liftBody>): Promise<Answer> {
    return this.orders.carryOut({ request, principal, named, actionId, reason, operation: 'lift-legal-hold' }, 200, async ({ tx, tenant, append }) => {
      const { rowCount } = await tx.query('DELETE FROM legal_hold WHERE tenant = $1 AND action_id = $2', [tenant, actionId]);
      if (rowCount !== 1) problem('NOT_FOUND');
      await append(holdStream(tenant, actionId), LegalHoldLifted, { action_id: actionId, reason });
      return { action_id: actionId, status: 'lifted' };
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
