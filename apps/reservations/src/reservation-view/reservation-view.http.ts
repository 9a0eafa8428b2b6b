import { Controller, Get } from '@nestjs/common';
import { list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, decodeCursor, Describe, pageFields, pageOf, pageSize, problem, shaped, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { RESERVATION_COLUMNS, reservationShape, shownReservation, STATUSES } from './reservation-view.js';
import type { ReservationRow } from './reservation-view.js';

const listShape = object({ ...pageFields, status: optional(oneOf(...STATUSES)), agent: optional(name()), tenant: optional(name()) });
const pageShape = object({ items: list(reservationShape, 200), next_cursor: text(500) });

/** Null means any. Agents see their own, people their tenant's, the executor what it names, root the tenant it names. */
interface Visible {
  readonly tenant: string | null;
  readonly agent: string | null;
}

const visibleTo = (principal: Principal, tenant?: string): Visible => {
  switch (principal.type) {
    case 'agent':
    case 'person':
      if (tenant !== undefined && tenant !== principal.tenant) return problem('NOT_FOUND');
      return { tenant: principal.tenant, agent: principal.type === 'agent' ? principal.id : null };
    case 'service':
    case 'root':
      return { tenant: tenant ?? null, agent: null };
  }
};

@Controller('v1/reservations')
@Allow('agent', 'person:operator', 'person:admin', 'person:auditor', 'service:executor', 'root')
export class ReservationViewHttp {
  constructor(private readonly database: Database) {}

  @Get(':id')
  @Describe({ summary: 'One reservation, with the time that is left to execute.', answers: { 200: reservationShape } })
  async one(@ShapedPath('id', uuid()) id: string, @Caller() principal: Principal): Promise<unknown> {
    const { tenant, agent } = visibleTo(principal);
    const { rows } = await this.database.query<ReservationRow>(
      `SELECT ${RESERVATION_COLUMNS} FROM reservation WHERE reservation_id = $1 AND ($2::text IS NULL OR tenant = $2) AND ($3::text IS NULL OR agent = $3)`,
      [id, tenant, agent],
    );
    return rows[0] === undefined ? problem('NOT_FOUND') : shownReservation(rows[0]);
  }

  @Get()
  @Describe({ summary: 'Reservations, newest first.', query: listShape, answers: { 200: pageShape } })
  async list(@ShapedQuery(listShape) query: Shape<typeof listShape>, @Caller() principal: Principal): Promise<unknown> {
    const { tenant, agent } = visibleTo(principal, query.tenant);
    if (tenant === null) return problem('INVALID', 'name the tenant', [{ pointer: '/tenant', expected: 'to be present' }]);
    const after = query.cursor === undefined ? null : shaped(uuid(), decodeCursor(query.cursor));
    const size = pageSize(query.limit);
    const { rows } = await this.database.query<ReservationRow>(
      `SELECT ${RESERVATION_COLUMNS} FROM reservation
       WHERE tenant = $1 AND ($2::text IS NULL OR agent = $2) AND ($3::text IS NULL OR lower(status) = $3) AND ($4::uuid IS NULL OR reservation_id < $4)
       ORDER BY reservation_id DESC LIMIT $5`,
      [tenant, agent ?? query.agent ?? null, query.status ?? null, after, size + 1],
    );
    return pageOf(rows, size, ({ reservation_id }) => reservation_id, shownReservation);
  }
}
