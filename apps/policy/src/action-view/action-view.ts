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

/** What is known of one action: a fold of its events from all services. Holds nothing personal in clear. */
export interface ActionView {
  readonly tenant: string;
  readonly action_id: string;
  readonly agent: string;
  readonly agent_owner?: string;
  readonly thread_id?: string;
  readonly facts: PolicyFacts;
  readonly door: 'http' | 'intake';
  readonly status: ActionViewStatus;
  readonly verdict: Verdict;
  readonly tier?: 'AUTO' | 'LOG';
  readonly sampled?: boolean;
  readonly code?: Code;
  readonly stop_reason?: StopReason;
  readonly instruction?: string;
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
  return folded === view ? view : { ...folded, updated_at: view !== undefined && view.updated_at > event.time ? view.updated_at : event.time };
};

export const sealedPart = ({ id, sealed }: EventEnvelope): SealedPart | undefined => (sealed === undefined ? undefined : { event_id: id, sealed });
