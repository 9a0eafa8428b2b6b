import { EVENT_TOPICS, HEADER, OWN_CONTEXT, definitionOf } from '@exequatur/contracts';
import type { EventEnvelope, ServiceName } from '@exequatur/contracts';
import type { ClaimedPlace } from '../inbox/dead-letters.js';
import type { IncomingMessage } from '../port.js';

export interface OriginProof {
  readonly path: string;
  /** base64url */
  readonly signature: string;
  readonly keyId: string;
}

/** audit-chain's `originVerifier(trustedKeys)`: does `service` vouch for these bytes in this tenant? */
export type VerifyOrigin = (bytes: Uint8Array, proof: OriginProof, tenant: string, service: string) => { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** Longest event that is parsed, in bytes; also what Kafka brokers take by default. */
export const MAX_EVENT_BYTES = 1_048_576;

/** Why a message can never be taken. */
export interface Fault {
  readonly code: string;
  readonly detail: string;
}

export type ReadResult =
  | { readonly ok: true; readonly event: EventEnvelope; readonly version: number }
  | { readonly ok: false; readonly fault: Fault; readonly claimed?: ClaimedPlace };

const ownerOfTopic = new Map<string, ServiceName>(Object.values(EVENT_TOPICS).map(({ name, owner }) => [name, owner]));

/** Keys that reach SQL and logs: no control characters, no half surrogates. */
export const isSoundKey = (key: string): boolean => key.length > 0 && key.length <= 500 && !/[\u0000-\u001f\u007f\ud800-\udfff]/u.test(key);

const SEQUENCE = /^(?!0{10})\d{10}$/;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

const refused = (code: string, detail: string, claimed?: ClaimedPlace): ReadResult => ({ ok: false, fault: { code, detail }, ...(claimed === undefined ? {} : { claimed }) });

/** Topics whose events may have this type: its context's, or of a fact that every service owns, each service's own. */
export const topicsOfType = (type: string): readonly string[] => {
  const definition = definitionOf(type);
  if (definition === undefined) return [];
  const contexts = definition.owner === 'any' ? Object.values(OWN_CONTEXT) : [definition.context];
  return contexts.map((context) => EVENT_TOPICS[context].name);
};

type Attributes = Pick<EventEnvelope, 'id' | 'type' | 'tenant' | 'partitionkey' | 'sequence'>;

const isEnvelope = (value: unknown): value is EventEnvelope => {
  if (typeof value !== 'object' || value === null) return false;
  const { id, type, tenant, partitionkey, sequence } = value as Partial<Record<keyof Attributes, unknown>>;
  return [type, tenant, partitionkey].every((text) => typeof text === 'string') && typeof id === 'string' && UUID.test(id) && typeof sequence === 'string' && SEQUENCE.test(sequence);
};

/** Errors of JSON.parse quote their input, so they are not passed on. */
const parse = (bytes: Buffer): unknown => {
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined;
  }
};

/**
 * Whose event is this, and which of its stream? Every message of a subscribed topic is read this far, also those of types
 * that nobody here handles or knows: each one moves its stream's version, and an unproven message that moved it would
 * suppress the true event of that version (a revocation, say). The schema of `data` is checked later, where it is used.
 */
export const readEvent = (message: IncomingMessage, verifyOrigin: VerifyOrigin, maxBytes: number = MAX_EVENT_BYTES): ReadResult => {
  const { value, headers, topic, key } = message;
  if (value.length > maxBytes) return refused('TOO_LARGE', `${value.length} bytes are more than ${maxBytes}`);
  if (!isSoundKey(key)) return refused('MALFORMED', 'the message has no sound key');
  const event = parse(value);
  if (!isEnvelope(event)) return refused('MALFORMED', 'not the JSON text of an event envelope');
  const version = Number(event.sequence);
  const claimed = { key, version };
  if (event.partitionkey !== key || !key.startsWith(`${event.tenant}/`)) return refused('MALFORMED', 'message key, partitionkey and tenant disagree', claimed);
  const owner = ownerOfTopic.get(topic);
  if (owner === undefined || (definitionOf(event.type) !== undefined && !topicsOfType(event.type).includes(topic))) {
    return refused('WRONG_TOPIC', 'this topic is not the one of the event type and its owner', claimed);
  }
  const proof = { path: headers[HEADER.path], signature: headers[HEADER.signature], keyId: headers[HEADER.keyId] };
  if (proof.path === undefined || proof.signature === undefined || proof.keyId === undefined) return refused('ORIGIN_UNPROVEN', 'the proof of origin is missing', claimed);
  const origin = verifyOrigin(value, { path: proof.path, signature: proof.signature, keyId: proof.keyId }, event.tenant, owner);
  if (!origin.ok) return refused('ORIGIN_UNPROVEN', origin.reason, claimed);
  return { ok: true, event, version };
};
