import { totalsOf } from '@exequatur/caps';
import type { Grant } from '@exequatur/contracts';
import { toInstant } from '@exequatur/kernel';
import type { ProposeAction } from './decide-action.js';

/** Claims of the allowance that goes with ActionAllowed or ActionCapped: everything reservations checks, nothing personal. */
export const grantClaims = ({ data, metadata }: ProposeAction, expiresAt: string): Grant => {
  const { proposed, ruling } = data;
  const { facts } = proposed;
  return {
    grant_id: proposed.action_id,
    source: 'allowance',
    action_id: proposed.action_id,
    tenant: facts.tenant,
    scope_path: facts.scope_path,
    agent_identity: facts.agent,
    run_id: facts.run_id,
    ...(proposed.thread_id === undefined ? {} : { thread_id: proposed.thread_id }),
    action_kind: facts.action_kind,
    ...(ruling.action_class === undefined ? {} : { action_class: ruling.action_class }),
    on_silence: ruling.on_silence,
    tool: facts.tool,
    ...(proposed.target_hash === undefined ? {} : { target_hash: proposed.target_hash }),
    arguments_hash: proposed.arguments_hash,
    granted_arguments_hash: proposed.arguments_hash,
    binding: data.bound === undefined ? 'exact' : 'bounded',
    ...data.bound,
    execution_mode: facts.execution_mode,
    not_before: toInstant(metadata.nowMs),
    expires_at: expiresAt,
    max_uses: ruling.caps.max_uses ?? 1,
    risk_points: facts.risk_points,
    amounts: facts.amounts,
    ...totalsOf(ruling.caps),
    caps: ruling.caps,
    approvers: [],
    policy_hash: data.policyHash,
    policy_version: data.policyVersion,
    rule_id: ruling.rule_id,
    facts,
  };
};
