import type { Actor } from '@exequatur/event-store';
import { actorOf, idempotentScope } from '@exequatur/service-kit';
import type { HttpRequest, IdempotentScope, Principal } from '@exequatur/service-kit';

const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What every command over HTTP takes from its request: who, under which key, as part of which trace. */
export const asking = (request: HttpRequest, principal: Principal, operation: string, tenant: string): { scope: IdempotentScope; asked: { tenant: string; actor: Actor; causationId: string; traceparent?: string } } => {
  const scope = idempotentScope(request, principal, operation, tenant);
  const traceparent = request.headers['traceparent'];
  return {
    scope,
    asked: { tenant, actor: actorOf(principal), causationId: scope.key, ...(typeof traceparent === 'string' && TRACEPARENT.test(traceparent) ? { traceparent } : {}) },
  };
};
