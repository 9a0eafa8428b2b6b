import type { EventLog } from '../log/event-log.js';
import type { LogEvent } from '../log/log-event.js';

export interface Finding {
  /** Where it shows. */
  readonly event: LogEvent;
  readonly sentence: string;
  /** It is about something that is not there; in a log in motion it may still come. */
  readonly missing?: true;
}

/** One invariant as far as a log alone can show it. */
export interface Invariant {
  readonly number: number;
  readonly title: string;
  readonly check: (log: EventLog) => readonly Finding[];
}

export const wrong = (event: LogEvent, sentence: string): Finding => ({ event, sentence });
export const absent = (event: LogEvent, sentence: string): Finding => ({ event, sentence, missing: true });
/** A finding unless it holds. */
export const must = (holds: boolean, event: LogEvent, sentence: string): readonly Finding[] => (holds ? [] : [wrong(event, sentence)]);
