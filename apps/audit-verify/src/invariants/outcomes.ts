import {
  ExecutionFailed,
  ExecutionReconciled,
  ExecutionSkipped,
  ExecutionStarted,
  ExecutionSucceeded,
  ExecutionUnknown,
  ReservationCommitted,
  ReservationExpired,
  ReservationHeld,
  ReservationMarkedUnknown,
  ReservationRefused,
  ReservationReleased,
  ReservationStarted,
} from '@exequatur/contracts';
import type { EventDefinition } from '@exequatur/contracts';
import { isEvent } from '../log/event-log.js';
import type { EventLog } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';
import { absent, must, wrong } from './finding.js';
import type { Finding } from './finding.js';

const ENDS: readonly EventDefinition[] = [ReservationCommitted, ReservationReleased, ReservationExpired];
const isEnd = (event: LogEvent): boolean => ENDS.some((end) => end.type === event.type);

const streamsOf = (log: EventLog, aggregate: string): readonly (readonly LogEvent[])[] =>
  [...log.streams].filter(([key]) => key.split('/')[1] === aggregate).map(([, stream]) => stream);

/** 6. What is unknown is never started again; only a person or a tool query says that it did not happen. */
export const unknown = (log: EventLog): readonly Finding[] => [
  ...streamsOf(log, ExecutionUnknown.aggregate).flatMap((stream) => {
    let isUnknown = false;
    return stream.flatMap((event) => {
      if (isEvent(event, ExecutionUnknown)) isUnknown = true;
      if (isEvent(event, ExecutionReconciled)) {
        const wasUnknown = isUnknown;
        isUnknown = isUnknown && event.data.result === 'executed';
        return [
          ...must(wasUnknown, event, 'an outcome is reconciled that was not unknown'),
          ...must(event.data.by !== 'person' || (event.data.person !== undefined && event.actorType === 'person'), event, 'reconciled by a person who is not named'),
        ];
      }
      return must(!(isUnknown && isEvent(event, ExecutionStarted)), event, 'started again while its outcome is unknown');
    });
  }),
  ...streamsOf(log, ReservationHeld.aggregate).flatMap((stream) => {
    const marked = stream.findIndex((event) => isEvent(event, ReservationMarkedUnknown));
    return marked === -1 ? [] : stream.slice(marked + 1).filter((event) => isEvent(event, ReservationStarted)).map((event) => wrong(event, 'started while its outcome is unknown'));
  }),
];

/** 9. Held < started < outcome < committed or released; nothing follows an end. */
export const ordered = (log: EventLog): readonly Finding[] => [
  ...streamsOf(log, ReservationHeld.aggregate).flatMap(reservationOrder),
  ...streamsOf(log, ExecutionStarted.aggregate).flatMap(executionOrder),
  ...settledByOutcome(log),
];

const reservationOrder = (stream: readonly LogEvent[]): readonly Finding[] => {
  let ended = false;
  let outcome = false;
  return stream.flatMap((event, index) => {
    const findings: Finding[] = [];
    const first = isEvent(event, ReservationHeld) || isEvent(event, ReservationRefused);
    if (first !== (index === 0) && event.version === index + 1) findings.push(wrong(event, index === 0 ? 'a reservation that begins without being held' : 'held or refused again in the same reservation'));
    if (ended) findings.push(wrong(event, 'follows the end of its reservation'));
    if (outcome && isEvent(event, ReservationStarted)) findings.push(wrong(event, 'started after its outcome'));
    ended ||= isEnd(event) || isEvent(event, ReservationRefused);
    outcome ||= ended || isEvent(event, ReservationMarkedUnknown);
    return findings;
  });
};

const executionOrder = (stream: readonly LogEvent[]): readonly Finding[] => {
  let started = false;
  let outcome = false;
  return stream.flatMap((event) => {
    const findings: Finding[] = [];
    const effect = isEvent(event, ExecutionSucceeded) || isEvent(event, ExecutionUnknown);
    if (effect && !started) findings.push(wrong(event, 'an outcome of an execution that was not started'));
    if (isEvent(event, ExecutionStarted) && outcome) findings.push(wrong(event, 'started after its outcome'));
    if (isEvent(event, ExecutionSkipped) && started) findings.push(wrong(event, 'skipped after it was started'));
    started ||= isEvent(event, ExecutionStarted);
    outcome ||= isEvent(event, ExecutionSucceeded) || isEvent(event, ExecutionFailed) || isEvent(event, ExecutionSkipped);
    return findings;
  });
};

/** A managed reservation is committed or released only over an outcome that its executor, or a person, recorded. */
const settledByOutcome = (log: EventLog): readonly Finding[] => {
  const held = log.indexed(ReservationHeld, (data) => data.reservation_id);
  const byId = (events: readonly LogEvent<{ readonly execution_id: string }>[]): ReadonlySet<string> => new Set(events.map(({ data }) => data.execution_id));
  const reconciled = (result: string) => log.of(ExecutionReconciled).filter(({ data }) => data.result === result);
  const happened = byId([...log.of(ExecutionSucceeded), ...reconciled('executed')]);
  const didNot = byId([...log.of(ExecutionFailed), ...log.of(ExecutionSkipped), ...reconciled('not_executed')]);
  const check = (event: LogEvent, reservationId: string, outcomes: ReadonlySet<string>, what: string): readonly Finding[] => {
    const claim = held.get(reservationId)?.[0];
    if (claim === undefined) return [absent(event, `no reservation ${reservationId} was held`)];
    const { execution_mode: mode, execution_id: executionId } = claim.data;
    return mode !== 'managed' || executionId === undefined || outcomes.has(executionId) ? [] : [absent(event, what)];
  };
  return [
    ...log.of(ReservationCommitted).flatMap((event) => check(event, event.data.reservation_id, happened, 'committed, and no outcome says that the effect happened')),
    ...log.of(ReservationReleased).flatMap((event) => check(event, event.data.reservation_id, didNot, 'released, and no outcome says that nothing happened')),
  ];
};
