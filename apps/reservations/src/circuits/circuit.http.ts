import { Controller, Get, HttpCode, Post } from '@nestjs/common';
import { count, instant, list, name, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { CircuitSettings, Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { measureRate } from '@exequatur/reservations-domain';
import type { CircuitCommand, OutcomeCounts } from '@exequatur/reservations-domain';
import { actorOf, Allow, Answer, Caller, Database, decodeCursor, Describe, Http, IdempotentRequests, pageFields, pageOf, pageSize, problem, shaped, ShapedBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { operatedTenant } from '../authority/operator.js';
import { raiseFence } from '../authority/tenant-board.js';
import { circuitStream, CircuitStore } from './circuit-store.js';

const STATUS = { Closed: 'closed', Open: 'open', HalfOpen: 'half_open' } as const;
const status = () => oneOf('closed', 'open', 'half_open');

const halfOpenShape = object({ probes: count(1_000), reason: text(1_000) });
const closeShape = object({ reason: text(1_000) });
const movedAnswer = object({ circuit_id: uuid(), agent: name(), action_kind: optional(name()), status: status(), fence_epoch: count() });
const listed = object({
  circuit_id: uuid(),
  agent: name(),
  action_kind: optional(name()),
  status: status(),
  rejections: count(),
  denials_after_approval: count(),
  volume: count(),
  rate_ppm: count(1_000_000),
  threshold_ppm: count(1_000_000),
  window_ms: count(),
  probes: count(),
  probes_left: count(),
  succeeded: count(),
  moved_at: optional(instant()),
});
const query = object({ ...pageFields, tenant: optional(name()), agent: optional(name()), include_closed: optional(oneOf('true', 'false')) });
const page = object({ items: list(listed, 200), next_cursor: text(500) });

interface Row {
  circuit_id: string;
  agent: string;
  action_kind: string | null;
  status: keyof typeof STATUS;
  counts: OutcomeCounts;
  probes: number;
  probes_left: number;
  succeeded: number;
  moved_at: Date | null;
  now: Date;
  settings: CircuitSettings | null;
}

const LIST = `
SELECT c.circuit_id, c.agent, c.action_kind, c.status, c.counts, c.probes, c.probes_left, c.succeeded, nullif(c.moved_at, '-infinity') AS moved_at, clock_timestamp() AS now,
  (SELECT p.canonical::jsonb #> '{limits,circuit}' FROM policy_in_force p WHERE p.tenant = c.tenant) AS settings
FROM circuit c WHERE c.tenant = $1 AND ($2 OR c.status <> 'Closed') AND ($3::text IS NULL OR c.agent = $3) AND ($4::uuid IS NULL OR c.circuit_id > $4) ORDER BY c.circuit_id LIMIT $5`;

/** Agents that were paused because too much of what they asked for was refused. Only people give authority back. */
@Controller('v1/circuits')
export class CircuitHttp {
  constructor(
    private readonly circuits: CircuitStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly database: Database,
  ) {}

  @Get()
  @Allow('person:operator', 'person:admin', 'person:auditor', 'root')
  @Describe({ summary: 'Circuits that are not closed; with include_closed=true all, with what they are judged on.', query, answers: { 200: page } })
  async list(@ShapedQuery(query) asked: Shape<typeof query>, @Caller() principal: Principal): Promise<unknown> {
    const tenant = operatedTenant(principal, asked.tenant);
    const after = asked.cursor === undefined ? null : shaped(uuid(), decodeCursor(asked.cursor));
    const size = pageSize(asked.limit);
    const { rows } = await this.database.query<Row>(LIST, [tenant, asked.include_closed === 'true', asked.agent ?? null, after, size + 1]);
    return pageOf(rows, size, ({ circuit_id }) => circuit_id, shown);
  }

  @Post(':id/half-open')
  @HttpCode(200)
  @Allow('person:operator', 'person:admin')
  @Describe({ summary: 'Let a number of probe actions of an open circuit through.', body: halfOpenShape, answers: { 200: movedAnswer }, codes: ['REASON_REQUIRED', 'CONFLICT'] })
  halfOpen(@ShapedPath('id', uuid()) circuitId: string, @ShapedBody(halfOpenShape) { probes, reason }: Shape<typeof halfOpenShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.move('half-open-circuit', circuitId, (fenceEpoch) => ({ type: 'HalfOpenCircuit', data: { probes, reason, fenceEpoch } }), principal, request);
  }

  @Post(':id/close')
  @HttpCode(200)
  @Allow('person:operator', 'person:admin')
  @Describe({ summary: 'Close a circuit: the agent goes on, and counting begins anew.', body: closeShape, answers: { 200: movedAnswer }, codes: ['REASON_REQUIRED', 'CONFLICT'] })
  close(@ShapedPath('id', uuid()) circuitId: string, @ShapedBody(closeShape) { reason }: Shape<typeof closeShape>, @Caller() principal: Principal, @Http() request: HttpRequest): Promise<Answer> {
    return this.move('close-circuit', circuitId, (fenceEpoch) => ({ type: 'CloseCircuit', data: { reason, fenceEpoch } }), principal, request);
  }

  private move(operation: string, circuitId: string, command: (fenceEpoch: number) => CircuitCommand, principal: Principal, request: HttpRequest): Promise<Answer> {
    const tenant = operatedTenant(principal, undefined);
    return this.requests.run({
      request,
      principal,
      tenant,
      operation,
      locks: { fences: [{ tenant, mode: 'exclusive' }], streams: [circuitStream(tenant, circuitId)] },
      work: async (tx) => {
        const circuit = await this.circuits.lock(tx, tenant, circuitId);
        if (circuit === undefined) return problem('NOT_FOUND');
        const fenceEpoch = await raiseFence(tx, tenant);
        const now = await this.circuits.decide(tx, tenant, circuit, command(fenceEpoch), actorOf(principal));
        const { agent, actionKind } = circuit;
        return { status: 200, body: { circuit_id: circuitId, agent, ...(actionKind === undefined ? {} : { action_kind: actionKind }), status: STATUS[now.status], fence_epoch: fenceEpoch } };
      },
    });
  }
}

const shown = ({ circuit_id, agent, action_kind, status: now_, counts, probes, probes_left, succeeded, moved_at, now, settings }: Row) => ({
  circuit_id,
  agent,
  ...(action_kind === null ? {} : { action_kind }),
  status: STATUS[now_],
  ...measureRate(counts, settings ?? {}, now.getTime()),
  probes,
  probes_left,
  succeeded,
  ...(moved_at === null ? {} : { moved_at: toInstant(moved_at.getTime()) }),
});
