import { boundArguments, intersectCaps, totalsOf } from '@exequatur/caps';
import type { ArgumentBound, Caps, Grant } from '@exequatur/contracts';
import { fromInstant, saltedHash, toInstant } from '@exequatur/kernel';
import type { JsonValue } from '@exequatur/kernel';
import type { Vote } from './approval.js';
import { GRANT_LIFETIME_MS, GRANT_USES } from './narrowing.js';
import type { RequestFacts } from './request-facts.js';

export interface Accepted {
  readonly request: RequestFacts;
  readonly viewHash: string;
  readonly votes: readonly Vote[];
  /** policy's caps and those of every vote, together */
  readonly caps: Caps;
  readonly grantedArgumentsHash: string;
  readonly grantedArguments: JsonValue;
  /** what policy, and every vote, let differ from use to use */
  readonly varies: readonly ArgumentBound[];
  readonly salt: Uint8Array;
  /** of the vote that completed the last quorum */
  readonly rationale?: string;
  readonly now: number;
}

/**
 * Claims of the grant: every binding of contracts.md "Grant". Valid from now for the accepted lifetime. Amounts and facts are
 * the narrowed ones, so that a hold, and a later policy, judge what will run. Recipients chosen by a person are bound by
 * granted_arguments_hash alone: an address is personal and stays sealed.
 */
export const grantClaims = ({ request, viewHash, votes, caps, grantedArgumentsHash, grantedArguments, varies, salt, rationale, now }: Accepted): Grant => {
  const amounts = request.facts.amounts.map(({ unit, amount }) => ({ unit, amount: smaller(amount, caps.max_amount?.[unit]) }));
  const bound = varies.length === 0 ? undefined : boundArguments(grantedArguments, salt, varies, amounts);
  return {
    grant_id: request.approval_id,
    source: 'approval',
    action_id: request.action_id,
    tenant: request.facts.tenant,
    scope_path: request.facts.scope_path,
    agent_identity: request.facts.agent,
    run_id: request.facts.run_id,
    ...(request.thread_id === undefined ? {} : { thread_id: request.thread_id }),
    action_kind: request.facts.action_kind,
    ...(request.action_class === undefined ? {} : { action_class: request.action_class }),
    on_silence: request.on_silence,
    tool: request.facts.tool,
    ...(request.target_hash === undefined ? {} : { target_hash: request.target_hash }),
    arguments_hash: request.arguments_hash,
    granted_arguments_hash: grantedArgumentsHash,
    binding: bound === undefined ? 'exact' : 'bounded',
    ...bound,
    execution_mode: request.facts.execution_mode,
    not_before: toInstant(now),
    expires_at: toInstant(now + (caps.expires_in_ms ?? GRANT_LIFETIME_MS)),
    max_uses: caps.max_uses ?? GRANT_USES,
    risk_points: request.facts.risk_points,
    amounts,
    ...totalsOf(caps),
    caps: intersectCaps(caps, {}),
    approvers: votes.map(({ person, role, stage, voteEventId }) => ({ person, role, stage, vote_event_id: voteEventId })),
    ...(rationale === undefined ? {} : { rationale_hash: saltedHash(salt, Buffer.from(rationale, 'utf8')) }),
    policy_hash: request.policy_hash,
    policy_version: request.policy_version,
    rule_id: request.rule_id,
    view_hash: viewHash,
    facts: { ...request.facts, amounts },
  };
};

const smaller = (amount: string, cap: string | undefined): string => (cap !== undefined && BigInt(cap) < BigInt(amount) ? cap : amount);

/** True when the database's time is at or past an instant. */
export const isPast = (instant: string, now: number): boolean => now >= fromInstant(instant);
