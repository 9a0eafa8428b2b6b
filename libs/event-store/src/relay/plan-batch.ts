import { EVENT_CONTENT_TYPE, HEADER, StreamHeadsPublished, TreeHeadPublished, definitionOf } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import { appendAllToFrontier, emptyFrontier, leafHash } from '@exequatur/audit-chain';
import type { Frontier } from '@exequatur/audit-chain';
import { topicOf } from '../envelope.js';
import type { OutgoingEvent, StreamHead } from './relay-cursor.js';

/** Same shape as the messaging port's OutgoingMessage. */
export interface RelayedMessage {
  readonly key: string;
  readonly value: Buffer;
  readonly headers: Readonly<Record<string, string>>;
}

export interface PlannedBatch {
  /** By topic; within one, in the order of the log. */
  readonly messages: ReadonlyMap<string, readonly RelayedMessage[]>;
  /** Heads as they are once the batch is published. */
  readonly heads: readonly StreamHead[];
}

const uncounted: ReadonlySet<string> = new Set([StreamHeadsPublished.type, TreeHeadPublished.type]);
/** StreamHeadsPublished counts neither itself nor tree heads: a head would else announce the next one for ever. */
export const isCounted = (type: string): boolean => !uncounted.has(type);

const messageOf = ({ key, bytes, path, signature, keyId, traceparent }: OutgoingEvent, ordinal: number | undefined): RelayedMessage => ({
  key,
  value: bytes,
  headers: {
    [HEADER.contentType]: EVENT_CONTENT_TYPE,
    [HEADER.path]: path,
    [HEADER.signature]: signature,
    [HEADER.keyId]: keyId,
    ...(ordinal === undefined ? {} : { [HEADER.ordinal]: String(ordinal) }),
    ...(traceparent === undefined ? {} : { [HEADER.traceparent]: traceparent }),
  },
});

const topicNameOf = (type: string, service: ServiceName): string => {
  const definition = definitionOf(type);
  if (!definition) throw new Error(`the log holds an event of type ${type}, which contracts does not know`);
  return topicOf(definition, service).name;
};

/**
 * What a batch publishes and how it moves the heads. The log's order is fixed below the horizon and heads move with the
 * cursor, so a batch that is published again carries the same ordinals.
 */
export const planBatch = (events: readonly OutgoingEvent[], service: ServiceName, before: ReadonlyMap<string, Frontier>): PlannedBatch => {
  const messages = new Map<string, RelayedMessage[]>();
  const leaves = new Map<string, Buffer[]>();
  for (const event of events) {
    let ordinal: number | undefined;
    if (isCounted(event.type)) {
      const ofTenant = leaves.get(event.tenant) ?? [];
      leaves.set(event.tenant, ofTenant);
      ordinal = (before.get(event.tenant)?.size ?? 0) + ofTenant.push(leafHash(event.bytes));
    }
    const topic = topicNameOf(event.type, service);
    const ofTopic = messages.get(topic) ?? [];
    messages.set(topic, ofTopic);
    ofTopic.push(messageOf(event, ordinal));
  }
  const heads = [...leaves].map(([tenant, added]) => ({ tenant, frontier: appendAllToFrontier(before.get(tenant) ?? emptyFrontier, added) }));
  return { messages, heads };
};
