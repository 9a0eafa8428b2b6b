import { proposalShape } from '@exequatur/contracts';
import { canonicalText } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import { isInside } from '@exequatur/policy-domain';
import type { ProposalWithJson } from '@exequatur/policy-domain';
import { problem, shaped } from '@exequatur/service-kit';
import type { AgentPrincipal } from '@exequatur/service-kit';

/** Canonical arguments may be longer than they were sent (1e20 is written out); this much a sealed event holds. */
const MAX_ARGUMENTS = 262_144;

/**
 * A body that came through the strict parse as a proposal of this agent.
 * @throws Problem INVALID when a field has a value it cannot have, FORBIDDEN outside the agent's scope, TOO_LARGE
 */
export const checkProposal = (agent: AgentPrincipal, body: unknown): ProposalWithJson => {
  const proposal = shaped(proposalShape, body) as ProposalWithJson;
  const isOwn = isInside(`tenant:${agent.tenant}`, proposal.scope_path) && isInside(agent.scopePrefix, proposal.scope_path);
  if (!isOwn) return problem('FORBIDDEN', 'scope_path is outside the scope of this agent', [{ pointer: '/scope_path', expected: `${agent.scopePrefix} or below` }]);
  if (canonicalText(proposal.arguments as JsonValue).length > MAX_ARGUMENTS) return problem('TOO_LARGE', 'the canonical arguments are too large');
  return proposal;
};
