import { createHash } from 'node:crypto';
import type { DataOf, ActionProposed, SealedProposal } from '@exequatur/contracts';
import { canonicalBytes, canonicalText, isRefusal, newSalt, saltedHash, sha256Text } from '@exequatur/kernel';
import type { JsonObject } from '@exequatur/kernel';
import { afterRejection, boundArguments, decide, deriveFacts, initialState, judge, variationsOn } from '@exequatur/policy-domain';
import type { DerivedFacts, OwnActionEvent, ProposeAction as DecideProposal, Rejection } from '@exequatur/policy-domain';
import { policyLanguages } from '@exequatur/policy-languages';
import type { ActivePolicy } from '../policy-versions/active-policies.js';
import type { ProposeAction } from './propose-action.command.js';

/** Ids of one proposal, chosen before its locks are taken. */
export interface ProposalIds {
  readonly actionId: string;
  readonly approvalId: string;
  readonly nowMs: number;
}

export interface DecidedProposal {
  readonly command: ProposeAction;
  readonly ids: ProposalIds;
  /** what the decider was asked, from which a grant's claims are made */
  readonly asked: DecideProposal;
  readonly events: readonly OwnActionEvent[];
  /** goes sealed into the events */
  readonly sealed: SealedProposal;
}

/** One proposal under one policy, and what people said to the same before: hashes, facts, ruling, events. Draws a salt, else depends on its arguments only. */
export const decideProposal = (command: ProposeAction, ids: ProposalIds, active: ActivePolicy, rejection?: Rejection): DecidedProposal => {
  const { agent, proposal } = command;
  const derived = deriveFacts(active.policy, proposal, { tenant: agent.tenant, agent: agent.id }, policyLanguages.schemas);
  const salt = newSalt();
  const args = canonicalText(proposal.arguments);
  const proposed = proposedData(command, ids.actionId, derived, salt, args);
  const ruling = afterRejection(judge(active.policy, active.registered, derived, policyLanguages.conditions), rejection);
  const varies = ruling.varies === undefined ? [] : variationsOn(active.policy, derived.facts, ruling.varies);
  const bound = varies.length === 0 ? undefined : boundArguments(proposal.arguments, salt, varies, derived.facts.amounts);
  const asked: DecideProposal = {
    type: 'ProposeAction',
    data: { proposed, narrowable: derived.narrowable, varies, bound, ruling, policyHash: active.hash, policyVersion: active.version },
    metadata: { nowMs: ids.nowMs, approvalId: ids.approvalId, sampleDraw: sampleDraw(ids.actionId) },
  };
  const events = decide(asked, initialState());
  if (isRefusal(events)) throw new Error(`a new action cannot be refused: ${events.code}`);
  return { command, ids, asked, events, sealed: sealedOf(command, derived, salt, args) };
};

const proposedData = ({ agent, proposal, door, anew }: ProposeAction, actionId: string, derived: DerivedFacts, salt: Buffer, args: string): DataOf<typeof ActionProposed> => {
  const argumentsHash = saltedHash(salt, Buffer.from(args, 'utf8'));
  const targetHash = derived.target === undefined ? undefined : saltedHash(salt, Buffer.from(derived.target, 'utf8'));
  const { facts } = derived;
  const bound: JsonObject = {
    tenant: facts.tenant,
    scope_path: facts.scope_path,
    agent: facts.agent,
    run_id: facts.run_id,
    action_kind: facts.action_kind,
    tool: { name: facts.tool.name, version: facts.tool.version },
    ...(targetHash === undefined ? {} : { target_hash: targetHash }),
    arguments_hash: argumentsHash,
  };
  return {
    action_id: actionId,
    ...(proposal.thread_id === undefined ? {} : { thread_id: proposal.thread_id }),
    facts,
    claimed: claimedIn(proposal),
    arguments_hash: argumentsHash,
    ...(targetHash === undefined ? {} : { target_hash: targetHash }),
    action_hash: sha256Text(canonicalBytes(bound)),
    door,
    ...(anew === undefined ? {} : { follows: anew.follows, ...(anew.editedBy === undefined ? {} : { edited_by: anew.editedBy }) }),
    ...(agent.owner === undefined ? {} : { agent_owner: agent.owner }),
    ...(agent.chain === undefined ? {} : { act_chain: [...agent.chain] }),
  };
};

/** What the agent said where the server may know better, so that the proposal can be judged again as it was made. */
const claimedIn = ({ risk_points, estimates, environment, risk_tags, target }: ProposeAction['proposal']): DataOf<typeof ActionProposed>['claimed'] => ({
  ...(risk_points === undefined ? {} : { risk_points }),
  ...(estimates === undefined ? {} : { estimates }),
  ...(environment === undefined ? {} : { environment }),
  ...(risk_tags === undefined ? {} : { risk_tags }),
  ...(target === undefined ? {} : { target: true }),
});

const sealedOf = ({ proposal }: ProposeAction, { target, reversal = proposal.reversal?.handle }: DerivedFacts, salt: Buffer, args: string): SealedProposal => ({
  salt: salt.toString('base64url'),
  arguments: args,
  ...(target === undefined ? {} : { target }),
  ...(proposal.reasoning === undefined ? {} : { reasoning: proposal.reasoning }),
  ...(proposal.business_impact === undefined ? {} : { business_impact: proposal.business_impact }),
  ...(proposal.evidence === undefined ? {} : { evidence: proposal.evidence }),
  ...(proposal.reversal === undefined && reversal === undefined ? {} : { reversal: { ...proposal.reversal, ...(reversal === undefined ? {} : { handle: reversal }) } }),
});

/** 0 … 999,999, the same for the same action: whether it was drawn for review can be checked later. */
const sampleDraw = (actionId: string): number => createHash('sha256').update(`sample:${actionId}`).digest().readUInt32BE(0) % 1_000_000;
