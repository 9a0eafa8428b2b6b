import { Injectable } from '@nestjs/common';
import type { PgTransaction } from '@exequatur/event-store';
import { Answer, entityTag, IdempotentRequests, Problem, problem, problemOf, PROBLEM_CONTENT_TYPE, requireIfMatch } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { decisionView } from './decision-view.js';
import { staleDetail, type Attempt, type Decided, type DecidingPrincipal } from '../decide-request/decide-requests.js';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';

/** Routes let nobody else in; a service or root has no tenant to decide in. */
export const decidingPrincipal = (principal: Principal): DecidingPrincipal => (principal.type === 'person' || principal.type === 'agent' ? principal : problem('FORBIDDEN'));

interface DecisionRequest {
  readonly request: HttpRequest;
  readonly caller: Principal;
  readonly approvalId: string;
  /** constant per route */
  readonly operation: string;
  /** taking authority back is not held up by a version that moved on: optional, it counts when it is there; remarks decide nothing */
  readonly ifMatch: 'required' | 'optional' | 'none';
  readonly work: (tx: PgTransaction, attempt: Attempt) => Promise<Decided>;
  /** in the place of how the request stands, for those who may not see that */
  readonly body?: (decided: Decided) => unknown;
}

/**
 * A decision over HTTP: lock the request, claim the Idempotency-Key, decide, record, answer. A refusal commits too, since it
 * leaves an event and its answer is replayed like any other.
 */
@Injectable()
export class DecisionRequests {
  constructor(private readonly requests: IdempotentRequests<PgTransaction>) {}

  run({ request, caller, approvalId, operation, ifMatch, work, body }: DecisionRequest): Promise<Answer> {
    const principal = decidingPrincipal(caller);
    const checkVersion = (approval: RecordedApproval): void => {
      if (ifMatch === 'none' || (ifMatch === 'optional' && request.headers['if-match'] === undefined)) return;
      try {
        requireIfMatch(request, entityTag(approval.version));
      } catch (error) {
        throw error instanceof Problem && error.code === 'STALE' ? new Problem('STALE', staleDetail(approval)) : error;
      }
    };
    const attempt: Attempt = { caller: principal, approvalId, checkVersion, ...(request.traceparent === undefined ? {} : { traceparent: request.traceparent }) };
    return this.requests.run({
      request,
      principal,
      operation,
      locks: { streams: [approvalStream(principal.tenant, approvalId)] },
      work: async (tx) => {
        const decided = await work(tx, attempt);
        const { approval, refusal } = decided;
        const headers = { etag: entityTag(approval.version) };
        if (refusal === undefined) return { status: 200, body: body === undefined ? decisionView(approval) : body(decided), headers };
        const refused = problemOf(refusal);
        return { status: refused.status, body: refused.document(), headers: { ...headers, 'content-type': PROBLEM_CONTENT_TYPE } };
      },
    });
  }
}
