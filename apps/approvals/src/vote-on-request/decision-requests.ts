import { Injectable } from '@nestjs/common';
import type { PgTransaction } from '@exequatur/event-store';
import { Answer, entityTag, IdempotentRequests, problem, problemOf, PROBLEM_CONTENT_TYPE, requireIfMatch } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { approvalStream } from '../approval-stream/approval-streams.js';
import { decisionView } from './decision-view.js';
import type { Attempt, Decided, DecidingPrincipal } from './vote-on-request.js';

/** Routes let nobody else in; a service or root has no tenant to decide in. */
export const decidingPrincipal = (principal: Principal): DecidingPrincipal => (principal.type === 'person' || principal.type === 'agent' ? principal : problem('FORBIDDEN'));

interface DecisionRequest {
  readonly request: HttpRequest;
  readonly caller: Principal;
  readonly approvalId: string;
  /** constant per route */
  readonly operation: string;
  /** taking authority back is not held up by a version that moved on; when If-Match is there, it counts */
  readonly ifMatch: 'required' | 'optional';
  readonly work: (tx: PgTransaction, attempt: Attempt) => Promise<Decided>;
}

/**
 * A decision over HTTP: lock the request, claim the Idempotency-Key, decide, record, answer. A refusal commits too, since it
 * leaves an event and its answer is replayed like any other.
 */
@Injectable()
export class DecisionRequests {
  constructor(private readonly requests: IdempotentRequests<PgTransaction>) {}

  run({ request, caller, approvalId, operation, ifMatch, work }: DecisionRequest): Promise<Answer> {
    const principal = decidingPrincipal(caller);
    const checkVersion = (version: number): void => {
      if (ifMatch === 'required' || request.headers['if-match'] !== undefined) requireIfMatch(request, entityTag(version));
    };
    const attempt: Attempt = { caller: principal, approvalId, checkVersion, ...(request.traceparent === undefined ? {} : { traceparent: request.traceparent }) };
    return this.requests.run({
      request,
      principal,
      operation,
      locks: { streams: [approvalStream(principal.tenant, approvalId)] },
      work: async (tx) => {
        const { approval, refusal } = await work(tx, attempt);
        const headers = { etag: entityTag(approval.version) };
        if (refusal === undefined) return { status: 200, body: decisionView(approval), headers };
        const refused = problemOf(refusal);
        return { status: refused.status, body: refused.document(), headers: { ...headers, 'content-type': PROBLEM_CONTENT_TYPE } };
      },
    });
  }
}
