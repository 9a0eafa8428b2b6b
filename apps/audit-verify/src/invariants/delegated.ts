import { DelegationGranted } from '@exequatur/contracts';
import type { DataOf, Grant } from '@exequatur/contracts';
import { fromInstant } from '@exequatur/kernel';
import type { Claim, EventLog } from '../log/event-log.js';
import { absent, must } from './finding.js';
import type { Finding } from './finding.js';

type Link = DataOf<typeof DelegationGranted>;

/**
 * A claim of a child: its delegations lead, each from the next, from the agent of the grant to the one that asked; under a run
 * the grant is the child's own. Each still stood, and its uses are no more than were handed on.
 */
export const delegated = (log: EventLog, claim: Claim, grant: Grant): readonly Finding[] => {
  const ids = claim.data.delegations ?? [];
  if (ids.length === 0) return must(grant.agent_identity === claim.data.agent, claim, 'the agent claimed is not the one granted');
  const granted = log.indexed(DelegationGranted, (data) => data.delegation_id);
  const chain = ids.flatMap((id) => granted.get(id)?.[0]?.data ?? []);
  if (chain.length < ids.length) return [absent(claim, 'nobody granted a delegation that the claim is charged to')];
  return [
    ...must(leads(chain, claim, grant), claim, 'its delegations do not lead from the grant to the agent that claimed'),
    ...must(chain.every(({ authority }) => claim.timeMs < fromInstant(authority.expires_at)), claim, 'claimed under a delegation that had expired'),
    ...chain.flatMap((link) => must(usesBefore(log, claim, link) < (link.authority.max_uses ?? Infinity), claim, `more uses than delegation ${link.delegation_id} hands on`)),
  ];
};

const leads = (chain: readonly Link[], { data }: Claim, grant: Grant): boolean => {
  const root = chain.at(-1);
  const linked = chain.every(({ parent, from_agent }, index) => {
    const above = chain[index + 1];
    return above === undefined ? parent.type !== 'delegation' : parent.type === 'delegation' && parent.id === above.delegation_id && from_agent === above.to_agent;
  });
  const rooted = root?.parent.type === 'grant' ? root.parent.id === grant.grant_id && root.from_agent === grant.agent_identity : root?.parent.id === grant.run_id && data.agent === grant.agent_identity;
  return linked && rooted && chain[0]?.to_agent === data.agent;
};

/** Claims under a delegation are charged one after the other, under its lock; the order among them does not matter for how many there are. */
const usesBefore = (log: EventLog, claim: Claim, { delegation_id }: Link): number => log.claims.filter((other) => other !== claim && other.sequence < claim.sequence && other.data.delegations?.includes(delegation_id) === true).length;
