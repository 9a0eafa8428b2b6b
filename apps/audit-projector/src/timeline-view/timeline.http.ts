import { Controller, Get } from '@nestjs/common';
import { ActionProposed, anything, count, instant, list, name, object, optional, text, uuid } from '@exequatur/contracts';
import type { DataOf, Shape } from '@exequatur/contracts';
import { Allow, Caller, Database, Describe, problem, ShapedQuery } from '@exequatur/service-kit';
import type { Principal } from '@exequatur/service-kit';
import { whoseLog } from '../whose-log.js';
import type { TimelineRow } from './project.js';
import { readTimeline } from './timeline-rows.js';

const timelineQuery = object({ action_id: uuid(), tenant: optional(name()) });
const timelineEntry = object({ sequence: count(), event_id: uuid(), type: text(200), time: instant(), actor: object({ type: name(), id: text(300) }), data: anything() });
const timeline = object({ items: list(timelineEntry, 10_000) });

/**
 * Whether the caller may see an action: auditors and operators of its tenant, the agent that proposed it, root. To all others
 * it does not exist. @throws Problem NOT_FOUND
 */
export const assertMaySee = (caller: Principal, rows: readonly TimelineRow[]): void => {
  if (rows.length === 0) problem('NOT_FOUND');
  if (caller.type !== 'agent') return;
  const proposed = rows.find(({ name: event }) => event === ActionProposed.name);
  const agent = proposed === undefined ? undefined : (JSON.parse(proposed.data) as DataOf<typeof ActionProposed>).facts.agent;
  if (agent !== caller.id) problem('NOT_FOUND');
};

@Controller('v1/timeline')
export class TimelineHttp {
  constructor(private readonly database: Database) {}

  @Get()
  @Allow('person:auditor', 'person:operator', 'agent', 'root')
  @Describe({ summary: 'Everything that happened around one action, in the order it was logged; open data only.', query: timelineQuery, answers: { 200: timeline } })
  async timeline(@Caller() caller: Principal, @ShapedQuery(timelineQuery) query: Shape<typeof timelineQuery>): Promise<{ items: readonly unknown[] }> {
    const rows = await readTimeline(this.database, whoseLog(caller, query.tenant), query.action_id);
    assertMaySee(caller, rows);
    return { items: rows.map((row) => ({ sequence: row.sequence, event_id: row.event_id, type: row.type, time: row.time, actor: { type: row.actor_type, id: row.actor_id }, data: JSON.parse(row.data) as unknown })) };
  }
}
