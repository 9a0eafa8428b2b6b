import { definitionOf } from '@exequatur/contracts';
import type { Caps, Code, EventEnvelope, PolicyFacts, SealedContent, StopReason, Verdict } from '@exequatur/contracts';
import { foldApproval } from './fold-approval.js';
import { foldExecution } from './fold-execution.js';
import { foldProposal } from './fold-proposal.js';

export const ACTION_STATUSES = [
  'proposed', 'awaiting_approval', 'allowed', 'granted', 'denied', 'quarantined', 'rejected', 'answered', 'expired', 'cancelled', 'withdrawn', 'reserved', 'executing', 'executed', 'failed', 'unknown', 'released',
] as const;
export type ActionViewStatus = (typeof ACTION_STATUSES)[number];

/** Sealed content of an event, with the id it is bound to; opened when an entitled reader asks. */
export interface SealedPart {
  readonly event_id: string;
  readonly sealed: SealedContent;
}

/** Why an action stands where it stands, for the loop of an agent. */
export interface Reason {
  readonly code?: Code;
  readonly stop_reason?: StopReason;
  readonly instruction?: string;
}

/** What is known of one action: a fold of its events from all services. Holds nothing personal in clear. */
export interface ActionView {
  readonly tenant: string;
  readonly action_id: string;
  readonly agent: string;
  readonly agent_owner?: string;
  readonly thread_id?: string;
  readonly facts: PolicyFacts;
  readonly door: 'http' | 'intake';
  /** the quarantined action it was decided anew from */
  readonly follows?: string;
  readonly status: ActionViewStatus;
  readonly verdict: Verdict;
  readonly tier?: 'AUTO' | 'LOG';
  readonly sampled?: boolean;
  /** those of `why` that the status asks for */
  readonly code?: Code;
  readonly stop_reason?: StopReason;
  readonly instruction?: string;
  /** by who said it; each is kept, since its status may still be on its way */
  readonly why: Readonly<Partial<Record<'verdict' | 'approval' | 'refused' | 'failed' | 'unknown' | 'withdrawn', Reason>>>;
  readonly rule_id: string;
  readonly reason: string;
  readonly policy_hash: string;
  readonly policy_version: number;
  readonly action_class?: string;
  readonly caps?: Caps;
  readonly arguments_hash: string;
  readonly target_hash?: string;
  readonly action_hash: string;
  readonly approval_id?: string;
  readonly grant_id?: string;
  readonly grant?: string;
  readonly granted_arguments_hash?: string;
  readonly narrowed?: readonly string[];
  readonly expires_at?: string;
  readonly rejection?: { readonly person: string; readonly reason_code: string; readonly instruction: string };
  readonly answered_by?: string;
  /** the use that reservation and execution below are about */
  readonly use_no?: number;
  readonly reservation_id?: string;
  readonly execution_id?: string;
  readonly provider_request_id?: string;
  readonly proposed_at: string;
  readonly updated_at: string;
  readonly sealed: Readonly<Partial<Record<'proposal' | 'granted' | 'rejection' | 'response' | 'result', SealedPart>>>;
}

/** Undefined until the proposal itself is known. An event that says nothing about actions changes nothing. */
export const foldAction = (view: ActionView | undefined, event: EventEnvelope): ActionView | undefined => {
  const name = definitionOf(event.type)?.name;
  const started = foldProposal(view, name, event);
  if (started === undefined || name === undefined) return view;
  const folded = foldExecution(foldApproval(started, name, event), name, event);
  if (folded === view) return view;
  const { code: _code, stop_reason: _stop, instruction: _instruction, ...rest } = folded;
  return { ...rest, ...reasonOf(folded), updated_at: view !== undefined && view.updated_at > event.time ? view.updated_at : event.time };
};

const reasonOf = ({ status, why }: ActionView): Reason => {
  switch (status) {
    case 'awaiting_approval':
    case 'denied':
    case 'quarantined':
      return why.verdict ?? {};
    case 'rejected':
    case 'expired':
    case 'cancelled':
      return why.approval ?? {};
    case 'withdrawn':
      return why.withdrawn ?? {};
    case 'allowed':
    case 'granted':
      return why.refused ?? {};
    case 'unknown':
      return why.unknown ?? {};
    case 'failed':
    case 'released':
      return why.failed ?? {};
    case 'proposed':
    case 'answered':
    case 'reserved':
    case 'executing':
    case 'executed':
      return {};
  }
};

export const sealedPart = ({ id, sealed }: EventEnvelope): SealedPart | undefined => (sealed === undefined ? undefined : { event_id: id, sealed });
