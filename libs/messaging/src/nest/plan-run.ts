import type { StreamPosition, VersionSpan } from '../inbox/stream-positions.js';
import type { IncomingMessage } from '../port.js';
import type { Delivery } from './delivery.js';
import type { ReadResult } from './event-reader.js';

/** A message of a batch, read and proven once, with its letterId. */
export interface ReadMessage {
  readonly id: string;
  readonly message: IncomingMessage;
  readonly read: ReadResult;
}

/** Handlers are known by identity: events of different types belong to one run when one method takes them. */
export interface RunRules {
  readonly handles: (type: string) => boolean;
  /** The method that takes events of this type as runs; undefined when they go one by one. */
  readonly runHandlerOf: (type: string) => object | undefined;
  readonly isValid: (event: unknown) => boolean;
}

export interface Standing {
  readonly positions: ReadonlyMap<string, StreamPosition>;
  readonly refused: ReadonlySet<string>;
}

export interface Run {
  readonly deliveries: readonly Delivery[];
  /** The place in the batch after the run's last message, at least one after its first. */
  readonly end: number;
  /** Versions of streams once the run was taken. */
  readonly reached: ReadonlyMap<string, number>;
}

/** Bounds what one transaction locks and what is tried again one by one. */
const MAX_RUN = 64;

/**
 * The longest run from `start` on whose events are all proven, valid, each the next of its stream, and taken by one method or
 * without effect here. Whatever needs more thought (a gap, something parked, a fault, another handler) ends it.
 */
export const planRun = (batch: readonly ReadMessage[], start: number, { positions, refused }: Standing, { handles, runHandlerOf, isValid }: RunRules): Run => {
  const deliveries: Delivery[] = [];
  const reached = new Map<string, number>();
  let handler: object | undefined;
  let end = start;
  for (const { id, message, read } of batch.slice(start)) {
    if (deliveries.length === MAX_RUN || !read.ok || refused.has(id)) break;
    const position = positions.get(message.key);
    const version = reached.get(message.key) ?? position?.version ?? 0;
    if (position?.hasParked === true || read.version > version + 1) break;
    if (read.version === version + 1) {
      if (handles(read.event.type)) {
        const its = runHandlerOf(read.event.type);
        if (its === undefined || its !== (handler ?? its) || !isValid(read.event)) break;
        handler = its;
        deliveries.push(deliveryOf(message, read.event));
      }
      reached.set(message.key, read.version);
    }
    end += 1;
  }
  return { deliveries, end: Math.max(end, start + 1), reached };
};

/** Whether all of a batch is proven and either without effect here or taken by methods that take runs. */
export const goesInRuns = (batch: readonly ReadMessage[], { handles, runHandlerOf }: Pick<RunRules, 'handles' | 'runHandlerOf'>): boolean =>
  batch.every(({ read }) => read.ok && (!handles(read.event.type) || runHandlerOf(read.event.type) !== undefined));

/**
 * Which versions of which streams a batch brings, when all of it is proven, without effect here and in order; else undefined.
 * Where the streams stand is for the database to say.
 */
export const effectlessSpans = (batch: readonly ReadMessage[], handles: RunRules['handles']): ReadonlyMap<string, VersionSpan> | undefined => {
  const spans = new Map<string, VersionSpan>();
  for (const { message, read } of batch) {
    if (!read.ok || handles(read.event.type)) return undefined;
    const span = spans.get(message.key);
    if (span !== undefined && read.version !== span.last + 1) return undefined;
    spans.set(message.key, { first: span?.first ?? read.version, last: read.version });
  }
  return spans;
};

export const deliveryOf = ({ value, headers, topic, partition, offset }: IncomingMessage, event: Delivery['event']): Delivery => ({ event, bytes: value, headers, topic, partition, offset });
