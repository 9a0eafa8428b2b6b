import {
  ApprovalAnnotated, ApprovalAnswered, ApprovalAssigned, ApprovalCancelled, ApprovalDeferred, ApprovalEdited, ApprovalEscalated, ApprovalExpired, ApprovalGranted, ApprovalOpened, ApprovalRejected, ApprovalReminded, ApprovalVoted,
  CanaryAnswered, CheckpointStored, EditProposed, EmergencyReviewed, GlassBroken, GrantRevoked, InformationGiven, InformationRequested, RevocationTookEffect, VoteLapsed, VoteRefused,
} from '@exequatur/contracts';
import type { EventDefinition } from '@exequatur/contracts';
import type { ApprovalEvent, ApprovalState } from '@exequatur/approvals-domain';
import { evolve, initialState } from '@exequatur/approvals-domain';
import type { RecordedEvent } from '@exequatur/event-store';

/** The definition behind each event of the decider. */
export const DEFINITIONS: Readonly<Record<ApprovalEvent['type'], EventDefinition>> = {
  ApprovalOpened,
  ApprovalVoted,
  ApprovalGranted,
  ApprovalRejected,
  ApprovalAnswered,
  ApprovalExpired,
  ApprovalCancelled,
  GrantRevoked,
  ApprovalEdited,
  VoteLapsed,
  ApprovalDeferred,
  ApprovalEscalated,
  ApprovalAssigned,
  ApprovalReminded,
  InformationRequested,
  InformationGiven,
  ApprovalAnnotated,
  GlassBroken,
  EmergencyReviewed,
  CheckpointStored,
  RevocationTookEffect,
  EditProposed,
  CanaryAnswered,
};

/** Nothing that a reader of the request would see differs after these, so nobody's card is stale by them. */
const UNSEEN: readonly ApprovalEvent['type'][] = ['ApprovalReminded', 'CheckpointStored', 'RevocationTookEffect'];

const byType = new Map(Object.values(DEFINITIONS).map((definition) => [definition.type, definition.name as ApprovalEvent['type']]));

/** A stored event as the decider knows it; undefined for what changes nothing (VoteRefused). */
const asApprovalEvent = ({ envelope }: RecordedEvent): ApprovalEvent | undefined => {
  const type = byType.get(envelope.type);
  if (type === undefined) return undefined;
  // The event was validated against its schema when it was written; sealed parts stay closed.
  return (type === 'ApprovalVoted' ? { type, id: envelope.id, data: envelope.data } : { type, data: envelope.data }) as ApprovalEvent;
};

/** One end of a request, with who and when. */
export interface RecordedApproval {
  readonly tenant: string;
  readonly state: Exclude<ApprovalState, { status: 'None' }>;
  /** where the next event goes */
  readonly streamVersion: number;
  /** version of the last event that changed the request: its entity tag. A refused vote must not make others' cards stale. */
  readonly version: number;
  readonly refusals: number;
  readonly events: readonly RecordedEvent[];
}

/** Folds a stream; undefined when nothing was opened on it. */
export const recordedApproval = (tenant: string, events: readonly RecordedEvent[]): RecordedApproval | undefined => {
  let state = initialState();
  let version = 0;
  let refusals = 0;
  for (const recorded of events) {
    const event = asApprovalEvent(recorded);
    if (event !== undefined) {
      state = evolve(state, event);
      if (!UNSEEN.includes(event.type)) version = recorded.version;
    } else if (recorded.envelope.type === VoteRefused.type) refusals += 1;
  }
  return state.status === 'None' ? undefined : { tenant, state, streamVersion: events.at(-1)?.version ?? 0, version, refusals, events };
};

export const eventsOf = (approval: RecordedApproval, definition: EventDefinition): readonly RecordedEvent[] => approval.events.filter(({ envelope }) => envelope.type === definition.type);
