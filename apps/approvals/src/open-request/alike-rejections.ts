import { argumentChanges, type RequestFacts } from '@exequatur/approvals-domain';
import type { SealedProposal } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { parseStrict } from '@exequatur/kernel';
import type { ApprovalStreams } from '../approval-stream/approval-streams.js';

/** How far back, and how many of the agent's rejected requests of the kind are compared: each is opened with its key. */
const REJECTED = `SELECT approval_id FROM approval_request WHERE tenant = $1 AND agent = $2 AND action_kind = $3 AND status = 'rejected' AND run_id <> $4 AND resolved_at > now() - interval '30 days' ORDER BY resolved_at DESC LIMIT 20`;

/**
 * Rejected requests of other runs that ask for the same but for places the rule names (`alike_except`): same agent, kind and
 * target, and the arguments differ only at or below those places. What was erased can no longer be compared, and is left out.
 */
export const alikeRejections = async (streams: ApprovalStreams, tx: PgTransaction, { facts, demand }: RequestFacts, proposal: SealedProposal): Promise<readonly string[]> => {
  const except = demand.alike_except ?? [];
  if (except.length === 0) return [];
  const { rows } = await tx.query<{ approval_id: string }>(REJECTED, [facts.tenant, facts.agent, facts.action_kind, facts.run_id]);
  const now = parseStrict(proposal.arguments);
  const alike: string[] = [];
  for (const { approval_id } of rows) {
    const approval = await streams.load(tx, facts.tenant, approval_id);
    const content = approval === undefined ? undefined : await streams.content(approval, tx);
    if (content === undefined || content.proposal.target !== proposal.target) continue;
    const { changes } = argumentChanges(parseStrict(content.proposal.arguments), now);
    if (changes.every(({ pointer }) => except.some((place) => pointer === place || pointer.startsWith(`${place}/`)))) alike.push(approval_id);
  }
  return alike;
};
