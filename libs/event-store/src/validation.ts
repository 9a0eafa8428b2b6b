import { SERVICES, definitionOf, envelopeSchema, streamKey } from '@exequatur/contracts';
import type { EventDefinition, EventEnvelope } from '@exequatur/contracts';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { ErrorObject, ValidateFunction } from 'ajv/dist/2020.js';
import { SEQUENCE_DIGITS, dataSchemaOf, sourceOf } from './envelope.js';

/** An event that does not have the shape its type promises. Names where and what was expected, never the value found. */
export class InvalidEvent extends Error {
  constructor(
    /** Wire type as claimed, or `(none)`. */
    readonly eventType: string,
    /** RFC 6901, from the envelope's (or the sealed plaintext's) root. */
    readonly pointer: string,
    readonly expectation: string,
  ) {
    super(`${eventType} at ${pointer === '' ? 'its root' : pointer}: ${expectation}`);
    this.name = 'InvalidEvent';
  }
}

/** A type that contracts does not know: from a newer version, or not ours. */
export class UnknownEventType extends InvalidEvent {
  constructor(eventType: string) {
    super(eventType, '/type', 'must be an event type of contracts');
    this.name = 'UnknownEventType';
  }
}

const ajv = new Ajv2020({ strict: true, allErrors: false, validateFormats: false });
const envelopes = new Map<string, ValidateFunction>();
const plaintexts = new Map<string, ValidateFunction>();

const compiled = (cache: Map<string, ValidateFunction>, definition: EventDefinition, schema: () => Readonly<Record<string, unknown>>): ValidateFunction => {
  const known = cache.get(definition.type);
  if (known) return known;
  const validate = ajv.compile(schema());
  cache.set(definition.type, validate);
  return validate;
};

/** The envelope's schema with the event's own data in it; an event without a sealed part must not carry one. */
const wholeSchema = (definition: EventDefinition): Readonly<Record<string, unknown>> => {
  const { sealed, ...properties } = envelopeSchema.json['properties'] as Record<string, unknown>;
  return { ...envelopeSchema.json, properties: { ...properties, data: definition.data.json, ...(definition.sealed === undefined ? {} : { sealed }) } };
};

const escaped = (segment: unknown): string => String(segment).replaceAll('~', '~0').replaceAll('/', '~1');

const pointerOf = (error: ErrorObject): string => {
  const missing: unknown = error.params['missingProperty'] ?? error.params['additionalProperty'];
  return missing === undefined ? error.instancePath : `${error.instancePath}/${escaped(missing)}`;
};

const assertShape = (validate: ValidateFunction, type: string, value: unknown): void => {
  if (validate(value)) return;
  const error = validate.errors?.[0];
  throw new InvalidEvent(type, error ? pointerOf(error) : '', error?.message ?? 'must match its schema');
};

/** What the schema cannot say: the attributes that are derived from one another agree. */
const assertConsistent = (envelope: EventEnvelope, definition: EventDefinition): void => {
  const { type, tenant, subject } = envelope;
  const must = (held: boolean, pointer: string, expectation: string): void => {
    if (!held) throw new InvalidEvent(type, pointer, expectation);
  };
  must(envelope.partitionkey === streamKey({ tenant, aggregate: definition.aggregate, id: subject }), '/partitionkey', `must be <tenant>/${definition.aggregate}/<subject>`);
  const dataschema = dataSchemaOf(definition);
  must(envelope.dataschema === dataschema, '/dataschema', `must be ${dataschema}`);
  const written = definition.owner === 'any' ? SERVICES.some((service) => envelope.source === sourceOf(tenant, service)) : envelope.source === sourceOf(tenant, definition.owner);
  must(written, '/source', 'must name the tenant and the owner of the type');
  must(/^\d+$/.test(envelope.sequence) && envelope.sequence.length === SEQUENCE_DIGITS && Number(envelope.sequence) > 0, '/sequence', `must be a version from 1, padded to ${SEQUENCE_DIGITS} digits`);
};

const typeOf = (envelope: unknown): string => {
  const type: unknown = typeof envelope === 'object' && envelope !== null && 'type' in envelope ? envelope.type : undefined;
  return typeof type === 'string' ? type.slice(0, 200) : '(none)';
};

/**
 * Whether a parsed event is what its type promises; used before writing and by every consumer before acting. Says nothing of
 * who wrote it. Schemas are compiled once a type. @throws UnknownEventType | InvalidEvent
 */
export function assertValidEvent(envelope: unknown): asserts envelope is EventEnvelope {
  const type = typeOf(envelope);
  const definition = definitionOf(type);
  if (!definition) throw new UnknownEventType(type);
  assertShape(compiled(envelopes, definition, () => wholeSchema(definition)), type, envelope);
  assertConsistent(envelope as EventEnvelope, definition);
}

/** Whether plaintext is what this event may seal; the sealer calls it before encrypting. @throws InvalidEvent */
export const assertValidSealed = (definition: EventDefinition<string, unknown, unknown>, plaintext: unknown): void => {
  const { sealed } = definition;
  if (sealed === undefined) throw new InvalidEvent(definition.type, '', 'must have no sealed content');
  assertShape(compiled(plaintexts, definition, () => sealed.json), definition.type, plaintext);
};
