import { Controller, Post } from '@nestjs/common';
import { evidenceSource, list, object, oneOf, optional, text, uuid } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { DEFAULT_RUNTIME_MS } from '@exequatur/executor-domain';
import { actorOf, Allow, Answer, Caller, Describe, Http, IdempotentRequests, orProblem, problem, ShapedBody, ShapedPath } from '@exequatur/service-kit';
import type { HttpRequest, PersonPrincipal } from '@exequatur/service-kit';
import { ExecutionRecords, executionStream } from '../execution-stream/execution-records.js';
import { executionShape, oneExecution } from '../execution-view/execution-view.js';

/** `evidence`: what was seen; `references`: where it lies; `reason`: why that settles it. All of it is sealed in the event. */
const reconcileShape = object({
  result: oneOf('executed', 'not_executed'),
  evidence: text(10_000),
  reason: text(1_000),
  references: optional(list(evidenceSource, 20)),
  provider_request_id: optional(text(300)),
});

/** A person settles what is unknown, with what shows it. "Not executed" is believed only once nothing can still be running. */
@Controller('v1/executions/:id/reconcile')
export class ReconcileExecutionHttp {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly records: ExecutionRecords,
  ) {}

  @Post()
  @Allow('person:operator')
  @Describe({ summary: 'Settles an unknown outcome, with evidence.', body: reconcileShape, answers: { 200: executionShape }, codes: ['NOT_FOUND', 'CONFLICT', 'REASON_REQUIRED'] })
  reconcile(@Http() request: HttpRequest, @Caller() principal: PersonPrincipal, @ShapedPath('id', uuid()) id: string, @ShapedBody(reconcileShape) body: Shape<typeof reconcileShape>): Promise<Answer> {
    const { tenant } = principal;
    return this.requests.run({
      request,
      principal,
      operation: 'reconcile-execution',
      locks: { streams: [executionStream(tenant, id)] },
      work: async (tx) => {
        const { rows } = await tx.query<{ action_id: string; max_runtime_ms: string | null }>('SELECT action_id, max_runtime_ms FROM execution WHERE tenant = $1 AND execution_id = $2', [tenant, id]);
        const row = rows[0] ?? problem('NOT_FOUND');
        const { result, evidence, reason, references, provider_request_id } = body;
        const data = {
          result,
          evidence,
          by: { kind: 'person', person: principal.id, reason },
          maxRuntimeMs: Number(row.max_runtime_ms ?? DEFAULT_RUNTIME_MS),
          ...(references === undefined ? {} : { references }),
          ...(provider_request_id === undefined ? {} : { providerRequestId: provider_request_id }),
        } as const;
        orProblem(await this.records.submit(tx, tenant, id, { type: 'Reconcile', data }, actorOf(principal)));
        return { status: 200, body: await oneExecution(tx, { tenant, agent: null }, id), actionId: row.action_id };
      },
    });
  }
}
