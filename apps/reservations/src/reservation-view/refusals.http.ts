import { Controller, Get } from '@nestjs/common';
import { CODES, count, instant, list, name, object, oneOf, optional, ReservationRefused, scopePath, text, truth, uuid } from '@exequatur/contracts';
import type { Code, DataOf, EventEnvelope, Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, decodeCursor, Describe, encodeCursor, pageFields, pageSize, shaped, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { operatedTenant } from '../authority/operator.js';

const query = object({ ...pageFields, tenant: optional(name()), agent: optional(name()), code: optional(oneOf(...(Object.keys(CODES) as Code[]))) });
const refusal = object({
  reservation_id: uuid(),
  at: instant(),
  code: text(60),
  agent: name(),
  run_id: optional(name()),
  grant_id: optional(uuid()),
  use_no: optional(count()),
  action_id: optional(uuid()),
  after_approval: truth(),
  /** of BUDGET_EXCEEDED: the budget that did not cover it, and where it stands */
  budget_id: optional(uuid()),
  budget_scope_path: optional(scopePath()),
  /** the velocity rule, run limit, circuit or delegation behind the code */
  refused_by: optional(text(200)),
  retry_after_ms: optional(count()),
});
const page = object({ items: list(refusal, 200), next_cursor: text(500) });

/** Claims and refusals looked through for one page; where refusals are rare, a page may be short and still have a cursor. */
const MAX_LOOKED_THROUGH = 5_000;

/** Each stream of a reservation begins with its claim or its refusal; ids rise with time. */
const LATEST = `
SELECT subject, CASE WHEN type = $4 THEN bytes END AS bytes FROM event
WHERE tenant = $1 AND aggregate = 'reservation' AND ($2::text IS NULL OR subject < $2) AND version = 1 ORDER BY subject DESC LIMIT $3`;

/** What was refused and what refused it: for those who operate the tenant. An agent hears the code alone. */
@Controller('v1/reservations/refusals')
@Allow('person:operator', 'person:admin', 'person:auditor', 'root')
export class RefusalsHttp {
  constructor(private readonly database: Database) {}

  @Get()
  @Describe({ summary: 'Refused claims, newest first, with the budget, rule, limit or circuit that refused.', query, answers: { 200: page } })
  async list(@ShapedQuery(query) asked: Shape<typeof query>, @Caller() principal: Principal): Promise<unknown> {
    const tenant = operatedTenant(principal, asked.tenant);
    const before = asked.cursor === undefined ? null : shaped(uuid(), decodeCursor(asked.cursor));
    const size = pageSize(asked.limit);
    const { rows } = await this.database.query<{ subject: string; bytes: Buffer | null }>(LATEST, [tenant, before, MAX_LOOKED_THROUGH, ReservationRefused.type]);
    const items: ReturnType<typeof shown>[] = [];
    let last: string | undefined;
    for (const { subject, bytes } of rows) {
      if (items.length === size) break;
      last = subject;
      if (bytes === null) continue;
      const { time, data } = JSON.parse(bytes.toString('utf8')) as EventEnvelope<DataOf<typeof ReservationRefused>>;
      if ((asked.agent === undefined || asked.agent === data.agent) && (asked.code === undefined || asked.code === data.code)) items.push(shown(time, data));
    }
    const more = last !== undefined && (last !== rows.at(-1)?.subject || rows.length === MAX_LOOKED_THROUGH);
    return { items, next_cursor: more ? encodeCursor(last ?? '') : null };
  }
}

const shown = (at: string, { attempt: _, ...data }: DataOf<typeof ReservationRefused>) => ({ at, ...data });
