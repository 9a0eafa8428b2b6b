import * as contracts from '@exequatur/contracts';
import type { EventDefinition } from '@exequatur/contracts';
import { isEvent } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';

/** What each event makes of an action; later ones in this list weigh more, whatever arrived first. Written apart from the service that claims it. */
const RANKS: readonly (readonly [outcome: string, ...of: readonly EventDefinition[]])[] = [
  ['proposed', contracts.ActionProposed],
  ['awaiting_approval', contracts.ApprovalRequired, contracts.ApprovalOpened],
  ['allowed', contracts.ActionAllowed, contracts.ActionCapped],
  ['denied', contracts.ActionDenied],
  ['quarantined', contracts.ActionQuarantined],
  ['granted', contracts.ApprovalGranted],
  ['rejected', contracts.ApprovalRejected],
  ['answered', contracts.ApprovalAnswered],
  ['expired', contracts.ApprovalExpired],
  ['cancelled', contracts.ApprovalCancelled, contracts.CanaryAnswered],
  ['refused', contracts.ReservationRefused, contracts.ExecutionSkipped],
  ['withdrawn', contracts.ActionWithdrawn],
  ['revoked', contracts.GrantRevoked],
  ['reserved', contracts.ReservationHeld],
  ['executing', contracts.ReservationStarted, contracts.ExecutionStarted],
  ['unknown', contracts.ExecutionUnknown, contracts.ReservationMarkedUnknown],
  ['released', contracts.ReservationExpired, contracts.ReservationReleased],
  ['failed', contracts.ExecutionFailed],
  ['executed', contracts.ExecutionSucceeded, contracts.ReservationCommitted],
];
const rankOf = (outcome: string): number => RANKS.findIndex(([each]) => each === outcome);

const rankAfter = (event: LogEvent): number => {
  if (isEvent(event, contracts.ExecutionReconciled)) return rankOf(event.data.result === 'executed' ? 'executed' : 'failed');
  // Nothing was ever asked for, or it provably did not happen.
  if (isEvent(event, contracts.ReservationReleased)) return rankOf(event.data.outcome === 'FAILED' ? 'failed' : 'released');
  return RANKS.findIndex(([, ...definitions]) => definitions.some(({ type }) => type === event.type));
};

export const outcomeOfEvents = (events: readonly LogEvent[]): string => RANKS[Math.max(0, ...events.map(rankAfter))]?.[0] ?? 'proposed';
