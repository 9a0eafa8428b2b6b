import { RetentionEnded } from '@exequatur/contracts';
import { EventLog } from '../log/event-log.js';
import type { LogOptions } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';
import type { Violation } from '../report.js';
import { atMostOnce, authorised, bound, live, uses } from './authority.js';
import { budget, conserved, overage } from './budgets.js';
import { oneTenant, seen, streams } from './chain.js';
import type { Invariant } from './finding.js';
import { ordered, unknown } from './outcomes.js';
import { agentKeys, separated } from './people.js';
import { narrowed, policyPinned } from './policy.js';
import { fenced, final, quiesced } from './stops.js';

/**
 * What a log alone can show, by its number in docs/explanation. 20, 24 and 25 need the bytes and are checked with the export;
 * 21 to 23 and 27 to 30 need more than a log (answers, views, the tool's journal, clocks, backups).
 */
export const INVARIANTS: readonly Invariant[] = [
  { number: 1, title: 'Authorised', check: authorised },
  { number: 2, title: 'Live', check: live },
  { number: 3, title: 'Bound', check: bound },
  { number: 4, title: 'Uses', check: uses },
  { number: 5, title: 'At most once', check: atMostOnce },
  { number: 6, title: 'Unknown', check: unknown },
  { number: 7, title: 'Budget', check: budget },
  { number: 8, title: 'Conserved', check: conserved },
  { number: 9, title: 'Ordered', check: ordered },
  { number: 10, title: 'Overage', check: overage },
  { number: 11, title: 'Separated', check: separated },
  { number: 12, title: 'Agent keys', check: agentKeys },
  { number: 13, title: 'Policy pinned', check: policyPinned },
  { number: 14, title: 'Final', check: final },
  { number: 15, title: 'Fenced', check: fenced },
  { number: 16, title: 'Quiesced', check: quiesced },
  { number: 17, title: 'Narrowed', check: narrowed },
  { number: 18, title: 'Tenant', check: oneTenant },
  { number: 19, title: 'Streams', check: streams },
  { number: 26, title: 'Seen = executed', check: seen },
];

/** Nothing is pruned that is younger. */
const SHORTEST_RETENTION_MS = 180 * 86_400_000;
const BUDGET = 7;

/** Every invariant over the events of one tenant, in the order of INVARIANTS. By default the log is taken to be at rest. */
export const checkInvariants = (events: readonly LogEvent[], options: LogOptions = {}): readonly Violation[] => {
  const log = new EventLog(events, options);
  const prunedMs = options.pruned === true ? Math.max(0, ...log.of(RetentionEnded).map(({ timeMs }) => timeMs)) - SHORTEST_RETENTION_MS : 0;
  // A budget goes on long after one of its entries was pruned; all else beside a pruned event is as old.
  const mayBePruned = (number: number, event: LogEvent): boolean => options.pruned === true && (number === BUDGET || event.timeMs <= prunedMs);
  return INVARIANTS.flatMap(({ number, check }) =>
    check(log).filter(({ event, missing }) => !(missing === true && mayBePruned(number, event))).map(({ event, sentence, missing }) => ({
      invariant: number,
      tenant: event.tenant,
      sequence: event.sequence,
      event_id: event.id,
      message: sentence,
      ...(missing === true && log.isRecent(event) ? { open: true as const } : {}),
    })),
  );
};
