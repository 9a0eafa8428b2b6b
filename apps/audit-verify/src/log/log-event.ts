import { ActionAllowed, ActionCapped, ApprovalGranted, definitionOf, envelopeSchema, grantShape, PolicyPublished, PolicyRolledBack, SERVICES, streamKey } from '@exequatur/contracts';
import type { ActorType, EventDefinition, EventEnvelope, Grant, ServiceName } from '@exequatur/contracts';
import { fromInstant, parseStrict, sha256Text, StrictJsonError } from '@exequatur/kernel';
import { shapeFault } from '../shape-faults.js';

/**
 * What the invariants need of an event; the rest of its bytes is let go once they are hashed. Sealed content, policy texts and
 * the signed form of grants are not kept, so a log of a million events takes about 1 KiB of memory each.
 */
export interface LogEvent<D = unknown> {
  /** Leaf index, from 0. Says nothing about what happened first. */
  readonly sequence: number;
  readonly id: string;
  readonly type: string;
  readonly tenant: string;
  readonly service: ServiceName;
  /** `<partitionkey>@<service>`: two services may each have a stream of one name (policy has `policy/…`, and so has reservations). */
  readonly stream: string;
  readonly version: number;
  readonly subject: string;
  /** Unix ms, by the clock of its owner; events of reservations by the database's. */
  readonly timeMs: number;
  readonly actorType: ActorType;
  readonly actorId: string;
  readonly data: D;
  /** Claims of the grant it carries. */
  readonly grant?: Grant;
  /** Hash of the canonical policy it carries. */
  readonly canonicalHash?: string;
}

/** An event is larger than anything an agent may send: it can hold a card and a sealed proposal. */
const MAX_EVENT = { maxBytes: 8 * 1024 * 1024, maxDepth: 64 };

export type ReadEvent =
  | { readonly kind: 'event'; readonly event: LogEvent; readonly definition: EventDefinition; readonly grantJws?: string }
  /** `tenant` and `service` as far as it says them. */
  | { readonly kind: 'unknown_type'; readonly type: string; readonly service: ServiceName | undefined; readonly id: string | undefined }
  | { readonly kind: 'malformed'; readonly fault: string; readonly id: string | undefined };

/** Reads one leaf: strict JSON, the envelope's attributes, the data against its definition in contracts, the derived attributes. */
export const readEvent = (bytes: Uint8Array, sequence: number): ReadEvent => {
  const envelope = parsed(bytes);
  if (typeof envelope === 'string') return { kind: 'malformed', fault: envelope, id: undefined };
  const id = typeof envelope['id'] === 'string' ? envelope['id'].slice(0, 100) : undefined;
  const type = typeof envelope['type'] === 'string' ? envelope['type'] : '';
  const definition = definitionOf(type);
  if (definition === undefined) return { kind: 'unknown_type', type: type.slice(0, 200), service: serviceOf(String(envelope['source'])), id };
  const fault = shapeFault(schemaOf(definition), envelope) ?? inconsistency(envelope as unknown as EventEnvelope, definition);
  if (fault !== undefined) return { kind: 'malformed', fault, id };
  return reduced(envelope as unknown as EventEnvelope, definition, sequence);
};

const parsed = (bytes: Uint8Array): Readonly<Record<string, unknown>> | string => {
  try {
    const value = parseStrict(bytes, MAX_EVENT);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : 'it is no JSON object';
  } catch (error) {
    if (error instanceof StrictJsonError) return `it is no strict JSON: ${error.reason}`;
    throw error;
  }
};

const schemas = new Map<string, Readonly<Record<string, unknown>>>();
const schemaOf = (definition: EventDefinition): Readonly<Record<string, unknown>> => {
  const known = schemas.get(definition.type);
  if (known !== undefined) return known;
  const { sealed, ...attributes } = envelopeSchema.json['properties'] as Record<string, unknown>;
  const schema = { ...envelopeSchema.json, properties: { ...attributes, data: definition.data.json, ...(definition.sealed === undefined ? {} : { sealed }) } };
  schemas.set(definition.type, schema);
  return schema;
};

/** The service that a `source` of the form `/tenants/{tenant}/services/{service}` names. */
export const serviceOf = (source: string): ServiceName | undefined => SERVICES.find((service) => source.endsWith(`/services/${service}`));

const inconsistency = (envelope: EventEnvelope, definition: EventDefinition): string | undefined => {
  const { tenant, subject, source } = envelope;
  const service = serviceOf(source);
  if (service === undefined || source !== `/tenants/${tenant}/services/${service}`) return '/source does not name its tenant and a service';
  if (definition.owner !== 'any' && definition.owner !== service) return `/source is ${service}, but only ${definition.owner} may say this`;
  if (envelope.partitionkey !== streamKey({ tenant, aggregate: definition.aggregate, id: subject })) return '/partitionkey does not follow from tenant, type and subject';
  if (!/^\d{10}$/.test(envelope.sequence) || Number(envelope.sequence) === 0) return '/sequence is no stream version';
  try {
    fromInstant(envelope.time);
  } catch {
    return '/time is no date that exists';
  }
  return undefined;
};

const GRANTING: ReadonlySet<string> = new Set([ActionAllowed.type, ActionCapped.type, ApprovalGranted.type]);
const POLICY: ReadonlySet<string> = new Set([PolicyPublished.type, PolicyRolledBack.type]);

const reduced = (envelope: EventEnvelope, definition: EventDefinition, sequence: number): ReadEvent => {
  const data = envelope.data as Readonly<Record<string, unknown>>;
  const event: LogEvent = {
    sequence,
    id: envelope.id,
    type: envelope.type,
    tenant: envelope.tenant,
    service: serviceOf(envelope.source) as ServiceName,
    stream: `${envelope.partitionkey}@${serviceOf(envelope.source) ?? ''}`,
    version: Number(envelope.sequence),
    subject: envelope.subject,
    timeMs: fromInstant(envelope.time),
    actorType: envelope.actortype,
    actorId: envelope.actorid,
    data,
  };
  if (POLICY.has(definition.type)) {
    const canonicalHash = sha256Text(Buffer.from(String(data['canonical']), 'utf8'));
    return { kind: 'event', definition, event: { ...event, canonicalHash, data: { ...data, source: '', canonical: '', registered_kinds: [] } } };
  }
  if (!GRANTING.has(definition.type)) return { kind: 'event', definition, event };
  const grantJws = String(data['grant']);
  const grant = claimsOf(grantJws);
  if (typeof grant === 'string') return { kind: 'malformed', fault: `/data/grant: ${grant}`, id: envelope.id };
  return { kind: 'event', definition, grantJws, event: { ...event, grant, data: { ...data, grant: '' } } };
};

/** Claims of a compact JWS whose shape is a grant's, or what is wrong with it. Its signature is judged where the keys are. */
const claimsOf = (jws: string): Grant | string => {
  try {
    const claims: unknown = parseStrict(Buffer.from(jws.split('.')[1] ?? '', 'base64url'));
    // Registered claims (iat, exp …) may stand beside ours.
    const own = Object.fromEntries(Object.entries(claims as object).filter(([field]) => Object.hasOwn(grantShape.json['properties'] as object, field)));
    return shapeFault(grantShape.json, own) ?? (own as unknown as Grant);
  } catch {
    return 'its claims are no strict JSON';
  }
};
