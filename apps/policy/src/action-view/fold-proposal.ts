import type { ActionAllowed, ActionCapped, ActionDenied, ActionProposed, ActionQuarantined, ApprovalRequired, Code, DataOf, EventEnvelope, Verdict } from '@exequatur/contracts';
import { stopOf } from '@exequatur/policy-domain';
import { sealedPart } from './action-view.js';
import type { ActionView, ActionViewStatus } from './action-view.js';
import { moved } from './status-order.js';

type Allowance = DataOf<typeof ActionAllowed> & Partial<Pick<DataOf<typeof ActionCapped>, 'caps'>>;
type Ruled = Pick<Allowance, 'rule_id' | 'reason' | 'policy_hash' | 'policy_version' | 'action_class'> & { readonly code?: Code };

/** Events of the action's own stream. The verdict's fields are placeholders between the first two events of a transaction. */
export const foldProposal = (view: ActionView | undefined, name: string | undefined, event: EventEnvelope): ActionView | undefined => {
  if (name === 'ActionProposed') return view ?? proposed(event as EventEnvelope<DataOf<typeof ActionProposed>>);
  if (view === undefined) return undefined;
  switch (name) {
    case 'ActionAllowed':
      return allowed(view, 'ALLOW', event.data as Allowance);
    case 'ActionCapped':
      return allowed(view, 'ALLOW_WITH_CAPS', event.data as Allowance);
    case 'ApprovalRequired': {
      const data = event.data as DataOf<typeof ApprovalRequired>;
      const ruled = withRuling(view, 'REQUIRE_APPROVAL', 'awaiting_approval', data);
      return { ...withCode(ruled, 'APPROVAL_REQUIRED'), approval_id: data.approval_id, expires_at: data.expires_at, ...(data.caps === undefined ? {} : { caps: data.caps }) };
    }
    case 'ActionQuarantined': {
      const data = event.data as DataOf<typeof ActionQuarantined>;
      return withCode(withRuling(view, 'QUARANTINE', 'quarantined', data), data.code);
    }
    case 'ActionDenied': {
      const data = event.data as DataOf<typeof ActionDenied>;
      return withCode(withRuling(view, 'DENY', 'denied', data), data.code);
    }
    case 'ActionWithdrawn':
      return { ...view, status: moved(view.status, 'withdrawn'), why: { ...view.why, withdrawn: { stop_reason: 'cancelled' } } };
    default:
      return view;
  }
};

const proposed = (event: EventEnvelope<DataOf<typeof ActionProposed>>): ActionView => {
  const { data } = event;
  const sealed = sealedPart(event);
  return {
    tenant: event.tenant,
    action_id: data.action_id,
    agent: data.facts.agent,
    ...(data.agent_owner === undefined ? {} : { agent_owner: data.agent_owner }),
    ...(data.thread_id === undefined ? {} : { thread_id: data.thread_id }),
    facts: data.facts,
    door: data.door,
    ...(data.follows === undefined ? {} : { follows: data.follows }),
    status: 'proposed',
    why: {},
    verdict: 'QUARANTINE',
    rule_id: '',
    reason: '',
    policy_hash: '',
    policy_version: 0,
    arguments_hash: data.arguments_hash,
    ...(data.target_hash === undefined ? {} : { target_hash: data.target_hash }),
    action_hash: data.action_hash,
    proposed_at: event.time,
    updated_at: event.time,
    sealed: sealed === undefined ? {} : { proposal: sealed },
  };
};

const withRuling = (view: ActionView, verdict: Verdict, status: ActionViewStatus, data: Ruled): ActionView => ({
  ...view,
  status: moved(view.status, status),
  verdict,
  why: { ...view.why, verdict: stopOf(verdict, data.code) ?? {} },
  rule_id: data.rule_id,
  reason: data.reason,
  policy_hash: data.policy_hash,
  policy_version: data.policy_version,
  ...(data.action_class === undefined ? {} : { action_class: data.action_class }),
});

const withCode = (view: ActionView, code: Code): ActionView => ({ ...view, why: { ...view.why, verdict: { code, ...view.why.verdict } } });

const allowed = (view: ActionView, verdict: Verdict, data: Allowance): ActionView => ({
  ...withRuling(view, verdict, 'allowed', data),
  tier: data.tier,
  sampled: data.sampled,
  grant_id: data.grant_id,
  grant: data.grant,
  granted_arguments_hash: view.arguments_hash,
  expires_at: data.expires_at,
  ...(data.caps === undefined ? {} : { caps: data.caps }),
});
