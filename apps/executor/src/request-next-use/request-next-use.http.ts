import { Controller, Post } from '@nestjs/common';
import { uuid } from '@exequatur/contracts';
import type { Grant } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { actorOf, Allow, Answer, Caller, Database, Describe, Http, IdempotentRequests, problem, ShapedPath } from '@exequatur/service-kit';
import type { AgentPrincipal, HttpRequest, PersonPrincipal, Queryable } from '@exequatur/service-kit';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import { executionShape, oneExecution } from '../execution-view/execution-view.js';
import { LIMITS } from '../limits.js';
import { executionIdOf, recordRequest } from '../request-execution/record-request.js';
import { ExecutionWorker } from '../run-execution/execution-worker.js';

/** Somebody may ask at the same moment: the next use is then another one. */
const TRIES = 5;
const TAKEN = Symbol('the use was taken meanwhile');

interface GrantRow {
  readonly claims: Grant;
  readonly max_uses: number;
  readonly last_use: number;
  readonly expired: boolean;
}

const GRANT = `SELECT g.claims, g.max_uses, g.expires_at <= clock_timestamp() AS expired,
    (SELECT coalesce(max(e.use_no), 0) FROM execution e WHERE e.tenant = g.tenant AND e.grant_id = g.grant_id) AS last_use
  FROM managed_grant g WHERE g.tenant = $1 AND g.action_id = $2 AND ($3::text IS NULL OR g.agent = $3)`;

const WAITING = `SELECT count(*)::integer AS waiting FROM (SELECT FROM execution WHERE tenant = $1 AND status = 'requested' LIMIT $2) w`;

/** The next use of a managed grant that has several: to the agent it was granted to, and to operators. */
@Controller('v1/actions/:action_id/executions')
export class RequestNextUseHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly database: Database,
    private readonly records: ExecutionRecords,
    private readonly worker: ExecutionWorker,
  ) {}

  @Post()
  @Allow('agent', 'person:operator')
  @Describe({ summary: 'Executes the next use of a managed grant.', answers: { 201: executionShape }, codes: ['NOT_FOUND', 'GRANT_EXHAUSTED', 'GRANT_EXPIRED', 'BUSY'] })
  async next(@Http() request: HttpRequest, @Caller() principal: AgentPrincipal | PersonPrincipal, @ShapedPath('action_id', uuid()) actionId: string): Promise<Answer> {
    for (let tries = 1; ; tries += 1) {
      const { claims, last_use } = await this.grant(this.database, principal, actionId);
      const useNo = last_use + 1;
      try {
        const answer = await this.requestUse(request, principal, actionId, claims, useNo);
        this.worker.wake();
        return answer;
      } catch (error) {
        if (error !== TAKEN) throw error;
        if (tries === TRIES) return problem('BUSY', 'others ask for uses of this grant at the same time');
      }
    }
  }

  private requestUse(request: HttpRequest, principal: AgentPrincipal | PersonPrincipal, actionId: string, claims: Grant, useNo: number): Promise<Answer> {
    const { tenant } = principal;
    const executionId = executionIdOf(claims, useNo);
    return this.requests.run({
      request,
      principal,
      operation: 'request-next-use',
      locks: { streams: [executionStream(tenant, executionId)] },
      work: async (tx) => {
        const grant = await this.grant(tx, principal, actionId);
        if (grant.last_use + 1 !== useNo) throw TAKEN;
        if (useNo > grant.max_uses) return problem('GRANT_EXHAUSTED');
        if (grant.expired) return problem('GRANT_EXPIRED');
        if (await this.isFull(tx, tenant)) return problem('BUSY', 'too many executions of this tenant are waiting');
        await recordRequest(tx, this.records, claims, useNo, actorOf(principal));
        return { status: 201, body: await oneExecution(tx, { tenant, agent: null }, executionId), actionId };
      },
    });
  }

  private async isFull(db: Queryable, tenant: string): Promise<boolean> {
    const { rows } = await db.query<{ waiting: number } & Record<string, unknown>>(WAITING, [tenant, LIMITS.waitingPerTenant]);
    return (rows[0]?.waiting ?? 0) >= LIMITS.waitingPerTenant;
  }

  private async grant(db: Queryable, principal: AgentPrincipal | PersonPrincipal, actionId: string): Promise<GrantRow> {
    const { rows } = await db.query<GrantRow & Record<string, unknown>>(GRANT, [principal.tenant, actionId, principal.type === 'agent' ? principal.id : null]);
    return rows[0] ?? problem('NOT_FOUND');
  }
}
