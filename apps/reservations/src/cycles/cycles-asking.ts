import { actorOf, inputHash, principalName, Problem } from '@exequatur/service-kit';
import type { AgentPrincipal, HttpRequest, IdempotentScope, Principal } from '@exequatur/service-kit';

/** The caller of a route that only agents may call. @throws Problem FORBIDDEN */
export const agentOf = (principal: Principal): AgentPrincipal => {
  if (principal.type !== 'agent') throw new Problem('FORBIDDEN');
  return principal;
};

/**
 * What every command takes from its request. The key is the body's; the header, where there is one, must say the same. It is
 * unique per tenant, agent and endpoint, and stands for the body as it was sent, byte for byte. @throws Problem INVALID
 */
export const cyclesAsking = (request: HttpRequest, agent: AgentPrincipal, operation: string, key: string) => {
  const header = request.headers['x-idempotency-key'];
  if (header !== undefined && header !== key) throw new Problem('INVALID', 'X-Idempotency-Key and idempotency_key differ');
  const scope: IdempotentScope = { tenant: agent.tenant, principal: principalName(agent), operation: `cycles-${operation}`, key, inputHash: inputHash(request) };
  const { traceparent } = request;
  return { scope, asked: { tenant: agent.tenant, actor: actorOf(agent), causationId: key, ...(traceparent === undefined ? {} : { traceparent }) } };
};
