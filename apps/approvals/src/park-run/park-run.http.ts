import { Controller, Get, Post } from '@nestjs/common';
import { count, hash, instant, list, name, object, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Allow, Caller, Consumes, Describe, Http, IdempotentRequests, problem, RawBody, ShapedPath, ShapedQuery } from '@exequatur/service-kit';
import type { AgentPrincipal, Answer, HttpRequest, Principal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { ParkRun, type ParkedRun } from './park-run.js';

const parkedAnswer = object({ approval_id: uuid(), action_id: uuid(), run_id: name(), checkpoint_hash: hash(), size_bytes: count(1_048_576), stored_at: instant() });
const parkedQuery = object({ run: name() });
const checkpointAnswer = object({ approval_id: uuid(), checkpoint: { json: { type: ['string', 'null'] } }, checkpoint_hash: { json: { type: ['string', 'null'] } } });
const OCTETS = 'application/octet-stream';

const sentBytes = (request: HttpRequest, bytes: Buffer): Buffer => {
  if (bytes.length === 0) problem('MALFORMED', 'bytes are required');
  return request.headers['content-type'] === OCTETS ? bytes : problem('UNSUPPORTED_MEDIA_TYPE', `send ${OCTETS}`);
};

const agentOf = (caller: Principal): AgentPrincipal => (caller.type === 'agent' ? caller : problem('FORBIDDEN'));

@Controller('v1/approvals')
@Allow('agent')
export class ParkRunHttp {
  constructor(
    private readonly runs: ParkRun,
    private readonly requests: IdempotentRequests<PgTransaction>,
  ) {}

  @Get('parked')
  @Describe({ summary: 'What this agent parked of a run.', query: parkedQuery, answers: { 200: object({ items: list(parkedAnswer, 200) }) } })
  async parked(@Caller() caller: Principal, @ShapedQuery(parkedQuery) query: Shape<typeof parkedQuery>): Promise<{ readonly items: readonly ParkedRun[] }> {
    return { items: await this.runs.parked(agentOf(caller), query.run) };
  }

  @Post(':id/checkpoint')
  @Consumes(OCTETS)
  @Describe({ summary: 'Park the run beside the request that holds it up: opaque bytes up to 1 MiB (application/octet-stream), encrypted at rest; their hash is an event. The newest counts.', answers: { 200: parkedAnswer }, codes: ['NOT_FOUND', 'ALREADY_DECIDED', 'CONFLICT', 'TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE'] })
  park(@Http() request: HttpRequest, @Caller() caller: Principal, @ShapedPath('id', uuid()) id: string, @RawBody() bytes: Buffer): Promise<Answer> {
    const agent = agentOf(caller);
    return this.requests.run({
      request,
      principal: agent,
      operation: 'park-run',
      locks: { streams: [approvalStream(agent.tenant, id)] },
      work: async (tx) => ({ status: 200, body: await this.runs.park(tx, agent, id, () => sentBytes(request, bytes), request.traceparent) }),
    });
  }

  @Get(':id/checkpoint')
  @Describe({ summary: 'The parked bytes in base64url, for the agent that stored them; null when there are none, or the action was erased.', answers: { 200: checkpointAnswer }, codes: ['NOT_FOUND'] })
  async checkpoint(@Caller() caller: Principal, @ShapedPath('id', uuid()) id: string): Promise<{ readonly approval_id: string; readonly checkpoint: string | null; readonly checkpoint_hash: string | null }> {
    const found = await this.runs.checkpoint(agentOf(caller), id);
    return { approval_id: id, checkpoint: found?.bytes.toString('base64url') ?? null, checkpoint_hash: found?.hash ?? null };
  }
}
