import { Controller, Get } from '@nestjs/common';
import { ReservationCommitted, ReservationReleased } from '@exequatur/contracts';
import type { DataOf, EventEnvelope } from '@exequatur/contracts';
import { fromInstant } from '@exequatur/kernel';
import { uuid } from '@exequatur/contracts';
import { Allow, Answer, Caller, Database, decodeCursor, Describe, encodeCursor, pageSize, problem, Problem, shaped, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { CYCLES_ERRORS, reservationResponse, reservationsResponse } from './cycles-responses.js';
import { listQuery } from './cycles-shapes.js';
import type { ListQuery } from './cycles-shapes.js';
import { scopePathOf } from './scope-of-subject.js';
import { CYCLES_COLUMNS, shownInCycles, STATUS_SQL } from './shown-in-cycles.js';
import type { CyclesRow, EndOfReservation } from './shown-in-cycles.js';

const visibleTo = (principal: Principal): { readonly tenant: string; readonly agent: string | null } => {
  if (principal.type === 'agent') return { tenant: principal.tenant, agent: principal.id };
  if (principal.type === 'person') return { tenant: principal.tenant, agent: null };
  return problem('FORBIDDEN');
};

/** An end of a time window: RFC 3339; blank counts as not said. @throws Problem INVALID */
const boundOf = (name: string, text: string | undefined): string | null => {
  if (text === undefined || text.trim() === '') return null;
  try {
    return new Date(fromInstant(text)).toISOString();
  } catch {
    return problem('INVALID', undefined, [{ pointer: `/${name}`, expected: 'an RFC 3339 date-time' }]);
  }
};

const windowOf = (query: ListQuery, from: 'from' | 'expires_from' | 'finalized_from', to: 'to' | 'expires_to' | 'finalized_to'): readonly [string | null, string | null] => {
  const [first, last] = [boundOf(from, query[from]), boundOf(to, query[to])];
  if (first !== null && last !== null && first > last) problem('INVALID', undefined, [{ pointer: `/${to}`, expected: `not to be before ${from}` }]);
  return [first, last];
};

const SELECT = `
SELECT ${CYCLES_COLUMNS} FROM reservation r
WHERE r.tenant = $1 AND r.note IS NOT NULL AND ($2::text IS NULL OR r.agent = $2)`;

const LIST = `${SELECT}
  AND ($3::text IS NULL OR r.scope_path = $3 OR starts_with(r.scope_path, $3 || '/'))
  AND ($4::text IS NULL OR ${STATUS_SQL} = $4)
  AND ($5::text IS NULL OR r.note::jsonb ->> 'key' = $5)
  AND ($6::timestamptz IS NULL OR r.held_at >= $6) AND ($7::timestamptz IS NULL OR r.held_at <= $7)
  AND ($8::timestamptz IS NULL OR r.expires_at >= $8) AND ($9::timestamptz IS NULL OR r.expires_at <= $9)
  AND (($10::timestamptz IS NULL AND $11::timestamptz IS NULL) OR EXISTS (
    SELECT FROM event e WHERE e.tenant = r.tenant AND e.aggregate = 'reservation' AND e.subject = r.reservation_id::text AND e.type = ANY ($12::text[])
      AND ($10::timestamptz IS NULL OR e.recorded_at >= $10) AND ($11::timestamptz IS NULL OR e.recorded_at <= $11)))`;

/** Ids are UUID v7, so they bound time: what looks for a key need not read what is older than keys are kept for, and an hour. */
const KEYS_ARE_FOUND_MS = 25 * 60 * 60 * 1_000;
const FIRST_ID = '00000000-0000-0000-0000-000000000000';
const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const firstIdOf = (ms: number): string => {
  const time = ms.toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-0000-0000-000000000000`;
};

const ENDS = [ReservationCommitted.type, ReservationReleased.type];
const END = "SELECT subject, bytes FROM event WHERE tenant = $1 AND aggregate = 'reservation' AND subject = ANY ($2::text[]) AND type = ANY ($3::text[])";

/** Reservations as the Cycles protocol shows them: an agent its own, people those of their tenant. */
@Controller('cycles/v1/reservations')
@Allow('agent', 'person:operator', 'person:admin', 'person:auditor')
export class CyclesReservationViewHttp {
  constructor(private readonly database: Database) {}

  @Get(':id')
  @Describe({ summary: 'Cycles: one reservation; 410 once it has expired.', answers: { 200: reservationResponse }, errors: CYCLES_ERRORS })
  async one(@ShapedPath('id', uuid()) id: string, @Caller() principal: Principal): Promise<Answer> {
    const { tenant, agent } = visibleTo(principal);
    const { rows } = await this.database.query<CyclesRow>(`${SELECT} AND r.reservation_id = $3`, [tenant, agent, id]);
    const [row] = rows;
    if (row === undefined) return problem('NOT_FOUND');
    if (row.cycles_status === 'EXPIRED') throw new Problem('RESERVATION_EXPIRED');
    const ends = await this.ends(tenant, rows);
    return Answer.json(200, shownInCycles(row, ends.get(row.reservation_id), true));
  }

  @Get()
  @Describe({ summary: 'Cycles: reservations, newest first unless asked otherwise.', query: listQuery, answers: { 200: reservationsResponse }, errors: CYCLES_ERRORS })
  async list(@ShapedQuery(listQuery) query: ListQuery, @Caller() principal: Principal): Promise<Answer> {
    const { tenant, agent } = visibleTo(principal);
    const size = pageSize(query.limit);
    const oldestFirst = query.sort_by !== undefined && query.sort_dir === 'asc';
    const after = query.cursor === undefined ? (oldestFirst ? FIRST_ID : LAST_ID) : shaped(uuid(), decodeCursor(query.cursor));
    const since = query.idempotency_key === undefined ? FIRST_ID : firstIdOf(Date.now() - KEYS_ARE_FOUND_MS);
    const values = [tenant, agent, placeOf(query, tenant), query.status ?? null, query.idempotency_key ?? null, ...windowOf(query, 'from', 'to'), ...windowOf(query, 'expires_from', 'expires_to'), ...windowOf(query, 'finalized_from', 'finalized_to'), ENDS];
    const { rows } = await this.database.query<CyclesRow>(
      `${LIST} AND r.reservation_id ${oldestFirst ? '>' : '<'} $13 AND r.reservation_id >= $14 ORDER BY r.reservation_id ${oldestFirst ? 'ASC' : 'DESC'} LIMIT $15`,
      [...values, after, since, size + 1],
    );
    const shown = rows.slice(0, size);
    const ends = await this.ends(tenant, shown);
    const withMetadata = (query.include ?? '').split(',').some((token) => token.trim() === 'metadata');
    const last = rows.length > size ? shown.at(-1) : undefined;
    return Answer.json(200, {
      reservations: shown.map((row) => shownInCycles(row, ends.get(row.reservation_id), withMetadata)),
      ...(last === undefined ? {} : { next_cursor: encodeCursor(last.reservation_id) }),
      has_more: last !== undefined,
    });
  }

  /** When and at which charge reservations were committed or released: their events say so, the rows need not. */
  private async ends(tenant: string, rows: readonly CyclesRow[]): Promise<ReadonlyMap<string, EndOfReservation>> {
    const ended = rows.filter(({ cycles_status }) => cycles_status === 'COMMITTED' || cycles_status === 'RELEASED').map(({ reservation_id }) => reservation_id);
    if (ended.length === 0) return new Map();
    const found = await this.database.query<{ subject: string; bytes: Buffer }>(END, [tenant, ended, ENDS]);
    return new Map(
      found.rows.map(({ subject, bytes }) => {
        const { time, data } = JSON.parse(bytes.toString('utf8')) as EventEnvelope<DataOf<typeof ReservationCommitted>>;
        return [subject, { atMs: fromInstant(time), charged: data.actual ?? [] }];
      }),
    );
  }
}

/** The part of the scope tree that the subject filters name; null for all of the tenant. @throws Problem FORBIDDEN for another tenant */
const placeOf = (query: ListQuery, tenant: string): string | null => {
  const { workspace, app, workflow, agent, toolset } = query;
  const named = [query.tenant, workspace, app, workflow, agent, toolset].some((name) => name !== undefined);
  return named ? scopePathOf(query, tenant) : null;
};

