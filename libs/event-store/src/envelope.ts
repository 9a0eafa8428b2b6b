import { EVENT_TOPICS, OWN_CONTEXT, streamKey } from '@exequatur/contracts';
import type { EventDefinition, EventEnvelope, ServiceName, StreamId, Topic } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import type { NewEvent } from './port.js';

/** The topic on which `service` publishes an event: that of its context, or the service's own for facts every service owns. */
export const topicOf = (definition: EventDefinition, service: ServiceName): Topic =>
  EVENT_TOPICS[definition.owner === 'any' ? OWN_CONTEXT[service] : definition.context];

/** URI of the JSON Schema of an event's data, as `dataschema` names it. */
export const dataSchemaOf = (definition: EventDefinition): string => `https://exequatur.dev/schemas/${definition.context}/${definition.name}/v${definition.version}.json`;

/** `/tenants/{tenant}/services/{service}`, the envelope's `source`. */
export const sourceOf = (tenant: string, service: ServiceName): string => `/tenants/${tenant}/services/${service}`;

export const SEQUENCE_DIGITS = 10;
const LARGEST_VERSION = 2_147_483_647;

/** Stream version as the envelope's `sequence`. @throws RangeError outside 1 … 2^31 − 1. */
export const sequenceOf = (version: number): string => {
  if (!Number.isInteger(version) || version < 1 || version > LARGEST_VERSION) throw new RangeError(`a stream version is 1 to ${LARGEST_VERSION}, not ${version}`);
  return String(version).padStart(SEQUENCE_DIGITS, '0');
};

export interface EnvelopeParts {
  readonly service: ServiceName;
  readonly stream: StreamId;
  /** Version the event gets in its stream, from 1. */
  readonly version: number;
  readonly event: NewEvent;
  /** Unix ms; gives the id its time, and `time` when the event brings none. */
  readonly nowMs: number;
}

/** CloudEvents 1.0 envelope of a new event. Field order is that of contracts.md; absent attributes are left out. */
export const buildEnvelope = ({ service, stream, version, event, nowMs }: EnvelopeParts): EventEnvelope => ({
  specversion: '1.0',
  id: event.id ?? newId(nowMs),
  source: sourceOf(stream.tenant, service),
  type: event.definition.type,
  subject: stream.id,
  time: event.time ?? new Date(nowMs).toISOString(),
  datacontenttype: 'application/json',
  dataschema: dataSchemaOf(event.definition),
  partitionkey: streamKey(stream),
  sequence: sequenceOf(version),
  tenant: stream.tenant,
  ...(event.correlationId === undefined ? {} : { correlationid: event.correlationId }),
  ...(event.causationId === undefined ? {} : { causationid: event.causationId }),
  actortype: event.actor.type,
  actorid: event.actor.id,
  ...(event.actor.chain === undefined ? {} : { actorchain: JSON.stringify(event.actor.chain) }),
  ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
  data: event.data,
  ...(event.sealed === undefined ? {} : { sealed: event.sealed }),
});

/** The one serialisation of an event; from here on it is these bytes. */
export const serialise = (envelope: EventEnvelope): Buffer => Buffer.from(JSON.stringify(envelope), 'utf8');

/** Reads an envelope back from bytes this store wrote (they were validated before). */
export const parseStored = (bytes: Buffer): EventEnvelope => JSON.parse(bytes.toString('utf8')) as EventEnvelope;
