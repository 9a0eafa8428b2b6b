import { Controller, Post } from '@nestjs/common';
import { object, optional, uuid } from '@exequatur/contracts';
import type { Code, Grant, Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import type { ChildUse } from '@exequatur/executor-domain';
import { actorOf, Allow, Answer, Caller, Database, Describe, Http, IdempotentRequests, problem, shaped, ShapedPath } from '@exequatur/service-kit';
import type { AgentPrincipal, HttpRequest, PersonPrincipal, Queryable } from '@exequatur/service-kit';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import { executionShape, oneExecution } from '../execution-view/execution-view.js';
import { LIMITS } from '../limits.js';
import { executionIdOf, recordRequest } from '../request-execution/record-request.js';
import { AskReservations } from '../run-execution/ask-reservations.js';
import { ExecutionWorker } from '../run-execution/execution-worker.js';

/** Somebody may ask at the same moment: the next use is then another one. */
const TRIES = 5;
const TAKEN = Symbol('the use was taken meanwhile');

/** Without a body: the next use, by the grant's agent. A child names the delegation that hands the grant on to it. */
const nextUseShape = object({ delegation_id: optional(uuid()) });
type NextUse = Shape<typeof nextUseShape>;

interface GrantRow {
  readonly claims: Grant;
  readonly grant_jws: string;
  readonly max_uses: number;
  readonly last_use: number;
  readonly expired: boolean;
}

interface Use {
  readonly claims: Grant;
  readonly useNo: number;
  readonly child: ChildUse | undefined;
  readonly refusal: Code | undefined;
}

const GRANT = `SELECT g.claims, g.grant_jws, g.max_uses, g.expires_at <= clock_timestamp() AS expired,
    (SELECT coalesce(max(e.use_no), 0) FROM execution e WHERE e.tenant = g.tenant AND e.grant_id = g.grant_id) AS last_use
  FROM managed_grant g WHERE g.tenant = $1 AND g.action_id = $2 AND ($3::text IS NULL OR g.agent = $3)`;

const WAITING = `SELECT count(*)::integer AS waiting FROM (SELECT FROM execution WHERE tenant = $1 AND status = 'requested' LIMIT $2) w`;

/**
 * The next use of a managed grant that has several: to the agent it was granted to, to a child that it was handed on to, and
 * to operators. What a child may is judged by reservations: here before it is queued, and again when the use is claimed.
 */
@Controller('v1/actions/:action_id/executions')
export class RequestNextUseHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly database: Database,
    private readonly records: ExecutionRecords,
    private readonly worker: ExecutionWorker,
    private readonly reservations: AskReservations,
  ) {}

  @Post()
  @Allow('agent', 'person:operator')
  @Describe({ summary: 'Executes the next use of a managed grant; a child agent names the delegation it asks under.', body: nextUseShape, bodyOptional: true, answers: { 201: executionShape }, codes: ['NOT_FOUND', 'GRANT_UNKNOWN', 'AGENT_MISMATCH', 'GRANT_REVOKED', 'GRANT_EXHAUSTED', 'GRANT_EXPIRED', 'DEPENDENCY_DOWN', 'BUSY'] })
  async next(@Http() request: HttpRequest, @Caller() principal: AgentPrincipal | PersonPrincipal, @ShapedPath('action_id', uuid()) actionId: string): Promise<Answer> {
    const asked: NextUse = request.rawBody === undefined ? {} : shaped(nextUseShape, request.body);
    const child = childOf(principal, asked);
    for (let tries = 1; ; tries += 1) {
      const { claims, grant_jws: grantJws, last_use } = await this.grant(this.database, principal, actionId, child);
      const useNo = last_use + 1;
      // Asked before the transaction, which waits for nobody, and told in it, so that a repeated request has its first answer.
      const refusal = child && (await this.reservations.wouldRefuse({ claims, grantJws, useNo, attempt: 1, ...child }));
      try {
        const answer = await this.requestUse(request, principal, actionId, { claims, useNo, child, refusal });
        this.worker.wake();
        return answer;
      } catch (error) {
        if (error !== TAKEN) throw error;
        if (tries === TRIES) return problem('BUSY', 'others ask for uses of this grant at the same time');
      }
    }
  }

  private requestUse(request: HttpRequest, principal: AgentPrincipal | PersonPrincipal, actionId: string, { claims, useNo, child, refusal }: Use): Promise<Answer> {
    const { tenant } = principal;
    const executionId = executionIdOf(claims, useNo);
    return this.requests.run({
      request,
      principal,
      operation: 'request-next-use',
      locks: { streams: [executionStream(tenant, executionId)] },
      work: async (tx) => {
        const grant = await this.grant(tx, principal, actionId, child);
        if (grant.last_use + 1 !== useNo) throw TAKEN;
        if (useNo > grant.max_uses) return problem('GRANT_EXHAUSTED');
        if (grant.expired) return problem('GRANT_EXPIRED');
        if (refusal !== undefined) return problem(refusal);
        if (await this.isFull(tx, tenant)) return problem('BUSY', 'too many executions of this tenant are waiting');
        await recordRequest(tx, this.records, claims, useNo, { actor: actorOf(principal), child });
        return { status: 201, body: await oneExecution(tx, { tenant, agent: null }, executionId), actionId };
      },
    });
  }

  private async isFull(db: Queryable, tenant: string): Promise<boolean> {
    const { rows } = await db.query<{ waiting: number } & Record<string, unknown>>(WAITING, [tenant, LIMITS.waitingPerTenant]);
    return (rows[0]?.waiting ?? 0) >= LIMITS.waitingPerTenant;
  }

  /** What is another agent's reads as not there, but to a child, which reservations has the say about. */
  private async grant(db: Queryable, principal: AgentPrincipal | PersonPrincipal, actionId: string, child: ChildUse | undefined): Promise<GrantRow> {
    const { rows } = await db.query<GrantRow & Record<string, unknown>>(GRANT, [principal.tenant, actionId, principal.type === 'agent' && child === undefined ? principal.id : null]);
    return rows[0] ?? problem('NOT_FOUND');
  }
}

const childOf = (principal: AgentPrincipal | PersonPrincipal, { delegation_id: delegationId }: NextUse): ChildUse | undefined => {
  if (delegationId === undefined) return undefined;
  return principal.type === 'agent' ? { agent: principal.id, delegationId } : problem('INVALID', undefined, [{ pointer: '/delegation_id', expected: 'an agent that asks' }]);
};
