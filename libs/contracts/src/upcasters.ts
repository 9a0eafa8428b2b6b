import type { EventEnvelope } from './envelope.js';
import { EVENTS } from './catalogue.js';

/** Turns the data of one version of an event into that of the next. Pure; stored bytes are never touched. */
export interface Upcaster {
  /** wire type it reads, `dev.exequatur.<context>.<Event>.v<n>` */
  readonly from: string;
  /** wire type it yields, the same event at n + 1 */
  readonly to: string;
  readonly upcast: (data: unknown) => unknown;
}

/** Empty while every event is at version 1; test/architecture refuses an event at version n without a chain from 1. */
export const UPCASTERS: readonly Upcaster[] = [];

/** The event in the newest version this code knows. Events already there, and unknown ones, come back as they are. */
export const upcast = (envelope: EventEnvelope, upcasters: readonly Upcaster[] = UPCASTERS): EventEnvelope => {
  const next = upcasters.find((candidate) => candidate.from === envelope.type);
  return next === undefined ? envelope : upcast({ ...envelope, type: next.to, data: next.upcast(envelope.data) }, upcasters);
};

/** Wire types from version 1 that must reach the current one of `type`. */
export const versionsBefore = (type: string): readonly string[] => {
  const definition = EVENTS.find((candidate) => candidate.type === type);
  if (definition === undefined) return [];
  return Array.from({ length: definition.version - 1 }, (_, index) => `dev.exequatur.${definition.context}.${definition.name}.v${index + 1}`);
};
