import { Controller, Get, Put } from '@nestjs/common';
import { count, hash, instant, list, name, object, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Allow, Answer, Caller, Consumes, Describe, Http, problem, RawBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { AgentPrincipal, HttpRequest, Principal } from '@exequatur/service-kit';
import { ParkRun, type ParkedRun } from './park-run.js';

const parkedAnswer = object({ approval_id: uuid(), action_id: uuid(), run_id: name(), checkpoint_hash: hash(), size_bytes: count(1_048_576), stored_at: instant() });
const parkedQuery = object({ run: name() });
const OCTETS = 'application/octet-stream';

const agentOf = (caller: Principal): AgentPrincipal => (caller.type === 'agent' ? caller : problem('FORBIDDEN'));

@Controller('v1/approvals')
@Allow('agent')
export class ParkRunHttp {
  constructor(private readonly runs: ParkRun) {}

  @Get('parked')
  @Describe({ summary: 'What this agent parked of a run.', query: parkedQuery, answers: { 200: object({ items: list(parkedAnswer, 200) }) } })
  async parked(@Caller() caller: Principal, @ShapedQuery(parkedQuery) query: Shape<typeof parkedQuery>): Promise<{ readonly items: readonly ParkedRun[] }> {
    return { items: await this.runs.parked(agentOf(caller), query.run) };
  }

  @Put(':id/checkpoint')
  @Consumes(OCTETS)
  @Describe({ summary: 'Park the run beside the request that holds it up: opaque bytes up to 1 MiB, encrypted at rest; their hash is an event. The newest counts.', answers: { 200: parkedAnswer }, codes: ['NOT_FOUND', 'ALREADY_DECIDED', 'CONFLICT', 'TOO_LARGE'] })
  async park(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @RawBody() bytes: Buffer): Promise<ParkedRun> {
    if (bytes.length === 0) problem('MALFORMED', 'bytes are required');
    return this.runs.park(agentOf(caller), id, bytes, request.traceparent);
  }

  @Get(':id/checkpoint')
  @Describe({ summary: 'The parked bytes, for the agent that stored them.', answers: {}, codes: ['NOT_FOUND'] })
  async checkpoint(@Caller() caller: Principal, @ShapedPath('id', uuid()) id: string): Promise<Answer> {
    const { bytes, hash: checkpointHash } = await this.runs.checkpoint(agentOf(caller), id);
    return new Answer(200, bytes, { 'content-type': OCTETS, etag: `"${checkpointHash}"` });
  }
}
