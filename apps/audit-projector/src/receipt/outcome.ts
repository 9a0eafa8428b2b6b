/**
 * How far along an action is, the words of `GET /v1/actions/{id}` and `refused`, `revoked` beside them. Where services disagree
 * for a moment the later stage counts, so that any order of arrival ends in the same word.
 */
const STAGES = [
  'proposed',
  'awaiting_approval',
  'allowed',
  'denied',
  'quarantined',
  'granted',
  'rejected',
  'answered',
  'expired',
  'cancelled',
  'refused',
  'withdrawn',
  'revoked',
  'reserved',
  'executing',
  'unknown',
  'released',
  'failed',
  'executed',
] as const;
export type Outcome = (typeof STAGES)[number];

/** Nothing more happens by itself. */
const ENDS: ReadonlySet<Outcome> = new Set(['denied', 'quarantined', 'rejected', 'answered', 'expired', 'cancelled', 'refused', 'withdrawn', 'revoked', 'released', 'failed', 'executed']);
export const isEnd = (outcome: Outcome): boolean => ENDS.has(outcome);

const BY_EVENT: Readonly<Record<string, Outcome>> = {
  ActionProposed: 'proposed',
  ApprovalRequired: 'awaiting_approval',
  ApprovalOpened: 'awaiting_approval',
  ActionAllowed: 'allowed',
  ActionCapped: 'allowed',
  ActionDenied: 'denied',
  ActionQuarantined: 'quarantined',
  ApprovalGranted: 'granted',
  ApprovalRejected: 'rejected',
  ApprovalAnswered: 'answered',
  ApprovalExpired: 'expired',
  ApprovalCancelled: 'cancelled',
  CanaryAnswered: 'cancelled',
  ReservationRefused: 'refused',
  ExecutionSkipped: 'refused',
  ActionWithdrawn: 'withdrawn',
  GrantRevoked: 'revoked',
  ReservationHeld: 'reserved',
  ReservationStarted: 'executing',
  ExecutionStarted: 'executing',
  ExecutionUnknown: 'unknown',
  ReservationMarkedUnknown: 'unknown',
  ReservationExpired: 'released',
  ReservationReleased: 'released',
  ExecutionFailed: 'failed',
  ExecutionSucceeded: 'executed',
  ReservationCommitted: 'executed',
};

/** Facts of an action that leave its outcome as it is. Glass that is broken is followed by the grant, in the same append. */
const MOVING_NOTHING: readonly string[] = [
  'ReviewDrawn', 'ApprovalVoted', 'VoteRefused', 'VoteLapsed', 'ApprovalEdited', 'EditProposed', 'ApprovalDeferred', 'ApprovalEscalated', 'ApprovalAssigned', 'ApprovalReminded', 'InformationRequested', 'InformationGiven',
  'ApprovalAnnotated', 'GlassBroken', 'EmergencyReviewed', 'CheckpointStored', 'RevocationTookEffect', 'GrantClosed', 'ReviewOpened', 'ActionReviewed', 'OverageAuthorised', 'ExecutionRequested', 'ErasureCompleted', 'LegalHoldPlaced',
  'LegalHoldLifted', 'RetentionEnded',
];

/** Whether it was decided what this event makes of an outcome: that of an action is never left to an event nobody thought of. */
export const isConsidered = (name: string): boolean => name in BY_EVENT || name === 'ExecutionReconciled' || MOVING_NOTHING.includes(name);

export interface Happened {
  readonly name: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const outcomeOf = ({ name, data }: Happened): Outcome | undefined => {
  if (name === 'ExecutionReconciled') return data['result'] === 'executed' ? 'executed' : 'failed';
  // Released because nothing was ever asked for, or because it provably did not happen.
  if (name === 'ReservationReleased' && data['outcome'] === 'FAILED') return 'failed';
  return BY_EVENT[name];
};

export const outcomeAfter = (events: readonly Happened[]): Outcome =>
  events.reduce<Outcome>((outcome, event) => {
    const next = outcomeOf(event);
    return next !== undefined && STAGES.indexOf(next) > STAGES.indexOf(outcome) ? next : outcome;
  }, 'proposed');
