import type { BoundArguments } from '@exequatur/caps';
import type { ActionProposed, ArgumentBound, DataOf, Narrowable } from '@exequatur/contracts';
import { assertNever, refuse, toInstant } from '@exequatur/kernel';
import type { Refusal } from '@exequatur/kernel';
import type { Action, OwnActionEvent } from './action.js';
import type { DenyCode, QuarantineCode, Ruling } from './ruling.js';

export interface ProposeAction {
  readonly type: 'ProposeAction';
  readonly data: {
    /** facts, hashes and claims as the proposal's event records them */
    readonly proposed: DataOf<typeof ActionProposed>;
    readonly narrowable: Narrowable;
    /** what of the arguments people may let differ from use to use, and what an allowance binds where some may */
    readonly varies?: readonly ArgumentBound[];
    readonly bound?: BoundArguments | undefined;
    readonly ruling: Ruling;
    readonly policyHash: string;
    readonly policyVersion: number;
  };
  readonly metadata: {
    readonly nowMs: number;
    /** id for the approval request, should there be one */
    readonly approvalId: string;
    /** uniform in 0 … 999_999: drawn for review when below the ruling's sample */
    readonly sampleDraw: number;
  };
}

export interface WithdrawAction {
  readonly type: 'WithdrawAction';
  readonly data: { readonly actionId: string; readonly reason: string };
}

export type ActionCommand = ProposeAction | WithdrawAction;

/** How long an allowance may wait to be used where its caps do not say. */
export const ALLOWANCE_TTL_MS = 10 * 60_000;

export const decide = (command: ActionCommand, state: Action): readonly OwnActionEvent[] | Refusal<'CONFLICT' | 'NOT_FOUND'> => {
  switch (command.type) {
    case 'ProposeAction': {
      const { proposed } = command.data;
      if (state.status === 'None') {
        const verdict = verdictOf(command);
        return [{ type: 'ActionProposed', data: proposed }, verdict, ...reviewOf(command, verdict)];
      }
      return state.actionHash === proposed.action_hash ? [] : refuse('CONFLICT', 'Another action has this id');
    }
    case 'WithdrawAction': {
      const { actionId, reason } = command.data;
      switch (state.status) {
        case 'None':
          return refuse('NOT_FOUND');
        case 'Withdrawn':
          return [];
        case 'Allowed':
        case 'AwaitingApproval':
        case 'Granted':
          return [{ type: 'ActionWithdrawn', data: { action_id: actionId, reason } }];
        default:
          return refuse('CONFLICT', `The action is ${state.status.toLowerCase()} already`);
      }
    }
    default:
      return assertNever(command);
  }
};

const verdictOf = ({ data, metadata }: ProposeAction): OwnActionEvent => {
  const { proposed, ruling } = data;
  const common = {
    action_id: proposed.action_id,
    policy_hash: data.policyHash,
    policy_version: data.policyVersion,
    rule_id: ruling.rule_id,
    reason: ruling.reason,
    ...(ruling.action_class === undefined ? {} : { action_class: ruling.action_class }),
  };
  switch (ruling.verdict) {
    case 'ALLOW':
      return { type: 'ActionAllowed', data: { ...common, ...allowance(ruling, proposed.action_id, metadata) } };
    case 'ALLOW_WITH_CAPS':
      return { type: 'ActionCapped', data: { ...common, ...allowance(ruling, proposed.action_id, metadata), caps: ruling.caps } };
    case 'REQUIRE_APPROVAL':
      return { type: 'ApprovalRequired', data: { ...common, ...approvalAsked(data, metadata) } };
    case 'QUARANTINE':
      return { type: 'ActionQuarantined', data: { ...common, code: (ruling.code ?? 'QUARANTINED_POLICY_ERROR') as QuarantineCode } };
    case 'DENY':
      return { type: 'ActionDenied', data: { ...common, code: (ruling.code ?? 'POLICY_DENIED') as DenyCode } };
    default:
      return assertNever(ruling.verdict);
  }
};

/** What was drawn is also asked for, with what people need to judge it. */
const reviewOf = ({ data: { proposed } }: ProposeAction, verdict: OwnActionEvent): readonly OwnActionEvent[] => {
  if ((verdict.type !== 'ActionAllowed' && verdict.type !== 'ActionCapped') || !verdict.data.sampled) return [];
  const { action_id, policy_hash, policy_version, rule_id, reason, action_class, tier } = verdict.data;
  const { facts, arguments_hash, agent_owner, act_chain } = proposed;
  return [{ type: 'ReviewDrawn', data: { action_id, policy_hash, policy_version, rule_id, reason, ...(action_class === undefined ? {} : { action_class }), tier, facts, arguments_hash, ...(agent_owner === undefined ? {} : { agent_owner }), ...(act_chain === undefined ? {} : { act_chain }) } }];
};

const allowance = (ruling: Ruling, actionId: string, { nowMs, sampleDraw }: ProposeAction['metadata']) => {
  const tier = ruling.tier ?? 'AUTO';
  return {
    tier,
    sampled: sampleDraw < ruling.sample_ppm,
    grant_id: actionId,
    expires_at: toInstant(nowMs + (ruling.caps.expires_in_ms ?? ALLOWANCE_TTL_MS)),
  };
};

const approvalAsked = ({ proposed, narrowable, ruling, varies = [] }: ProposeAction['data'], { nowMs, approvalId }: ProposeAction['metadata']) => {
  const { demand } = ruling;
  if (demand === undefined) throw new Error('a ruling that requires approval says whose');
  return {
    approval_id: approvalId,
    facts: proposed.facts,
    ...(proposed.thread_id === undefined ? {} : { thread_id: proposed.thread_id }),
    ...(proposed.agent_owner === undefined ? {} : { agent_owner: proposed.agent_owner }),
    ...(proposed.act_chain === undefined ? {} : { act_chain: proposed.act_chain }),
    arguments_hash: proposed.arguments_hash,
    ...(proposed.target_hash === undefined ? {} : { target_hash: proposed.target_hash }),
    narrowable,
    demand,
    ...(Object.keys(ruling.caps).length === 0 ? {} : { caps: ruling.caps }),
    ...(varies.length === 0 ? {} : { varies }),
    on_silence: ruling.on_silence,
    expires_at: toInstant(nowMs + demand.ttl_ms),
    ...(proposed.edited_by === undefined ? {} : { edited_by: proposed.edited_by, ...(proposed.follows === undefined ? {} : { follows: proposed.follows }) }),
  };
};
