import { intersectCaps, scopeCovers, toolCovers } from '@exequatur/caps';
import type { Caps, Code, Grant, ReserveRequest } from '@exequatur/contracts';
import { MAX_DELEGATION_DEPTH } from '@exequatur/contracts';
import { fromInstant, parseAmount, refuse } from '@exequatur/kernel';
import type { Amounts, Refusal } from '@exequatur/kernel';
import type { Delegation } from './delegation.js';
import type { VelocitySubject } from './velocity.js';

/** The delegation a child asks under, and those above it: its own first, that of the grant or run last. */
export type DelegationChain = readonly Delegation[];

const POINTS = 'RISK_POINTS';

/** The agent that asks and every agent whose authority it uses: stopping one of them stops them all, and each of them is counted. */
export const agentsBehind = (grant: Grant, chain: DelegationChain | undefined): readonly string[] =>
  chain === undefined ? [grant.agent_identity] : [...new Set([grant.agent_identity, ...chain.flatMap(({ toAgent, fromAgent }) => [toAgent, fromAgent])])];

export const velocitySubjects = (grant: Grant, chain: DelegationChain | undefined): readonly VelocitySubject[] =>
  agentsBehind(grant, chain).map((agent) => ({ agent, actionKind: grant.action_kind, targetKey: grant.target_key }));

/**
 * Does the chain lead from this grant or run to this agent, whole and standing? A revoked or expired link ends all below it.
 * Under a grant the child uses the parent's grant; under a run it uses its own, within what it was handed.
 * GRANT_UNKNOWN, AGENT_MISMATCH, GRANT_REVOKED, GRANT_EXPIRED.
 */
export const chainStands = (chain: DelegationChain, asked: string | undefined, grant: Grant, request: ReserveRequest, nowMs: number): Refusal<Code> | undefined => {
  const root = chain.at(-1);
  if (root === undefined || chain.length > MAX_DELEGATION_DEPTH || chain[0]?.delegationId !== request.delegation_id || !isWhole(chain)) return refuse('GRANT_UNKNOWN');
  if (chain[0]?.toAgent !== asked) return refuse('AGENT_MISMATCH');
  // A grant that was itself asked for under a delegation is used under that one: past it, nothing above would be charged or ended.
  const ofGrant = (): boolean => root.parent.id === grant.grant_id && root.fromAgent === grant.agent_identity && grant.facts.delegation_id === undefined;
  const leadsHere = root.parent.type === 'grant' ? ofGrant() : root.parent.id === grant.run_id && asked === grant.agent_identity;
  if (!leadsHere) return refuse('AGENT_MISMATCH');
  if (chain.some(({ revoked }) => revoked)) return refuse('GRANT_REVOKED');
  return chain.some(({ authority }) => nowMs >= fromInstant(authority.expires_at)) ? refuse('GRANT_EXPIRED') : undefined;
};

const isWhole = (chain: DelegationChain): boolean =>
  chain.every((link, index) => {
    const above = chain[index + 1];
    return above === undefined ? link.parent.type !== 'delegation' : link.parent.type === 'delegation' && link.parent.id === above.delegationId && link.fromAgent === above.toAgent;
  });

/** SCOPE_MISMATCH, KIND_MISMATCH, TOOL_MISMATCH, TARGET_MISMATCH: what some link does not hand on. */
export const chainReaches = (chain: DelegationChain, grant: Grant): Refusal<Code> | undefined => {
  for (const { authority } of chain) {
    if (!scopeCovers(authority.scope_path, grant.scope_path)) return refuse('SCOPE_MISMATCH');
    if (authority.kinds?.includes(grant.action_kind) === false) return refuse('KIND_MISMATCH');
    if (authority.tools?.some((tool) => toolCovers(tool, grant.tool.name) || toolCovers(tool, `${grant.tool.name}@${grant.tool.version}`)) === false) return refuse('TOOL_MISMATCH');
    if (authority.targets !== undefined && (grant.target_hash === undefined || !authority.targets.includes(grant.target_hash))) return refuse('TARGET_MISMATCH');
  }
  return undefined;
};

export const chainCaps = (chain: DelegationChain, caps: Caps): Caps => chain.reduce((narrowed, { authority }) => intersectCaps(narrowed, authority.caps), caps);

export interface ChainRefusal {
  readonly delegationId: string;
  readonly refusal: Refusal<Code>;
}

/**
 * Charges one claim to every link, or to none: GRANT_EXHAUSTED past its uses or an amount, POINTS_EXCEEDED past its points.
 * A link's own bound counts, whatever those above it still have.
 */
export const chargeChain = (chain: DelegationChain, amounts: Amounts): DelegationChain | ChainRefusal => {
  const charged: Delegation[] = [];
  for (const link of chain) {
    const uses = link.used.uses + 1;
    const sums: Record<string, bigint> = { ...link.used.amounts };
    for (const unit in amounts) sums[unit] = (sums[unit] ?? 0n) + (amounts[unit] ?? 0n);
    const refusal = beyond(link, uses, sums);
    if (refusal !== undefined) return { delegationId: link.delegationId, refusal };
    charged.push({ ...link, used: { uses, amounts: sums } });
  }
  return charged;
};

const beyond = ({ authority }: Delegation, uses: number, sums: Amounts): Refusal<Code> | undefined => {
  if (authority.max_uses !== undefined && uses > authority.max_uses) return refuse('GRANT_EXHAUSTED');
  if (authority.total_points !== undefined && (sums[POINTS] ?? 0n) > BigInt(authority.total_points)) return refuse('POINTS_EXCEEDED');
  const over = authority.total_amounts?.some(({ unit, amount }) => (sums[unit] ?? 0n) > parseAmount(amount)) ?? false;
  return over ? refuse('GRANT_EXHAUSTED') : undefined;
};

export const isChainRefusal = (charged: DelegationChain | ChainRefusal): charged is ChainRefusal => 'refusal' in charged;
