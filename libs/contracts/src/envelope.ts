import { base64url, instant, name, object, oneOf, optional, text, uuid } from './schema.js';
import type { Shape } from './schema.js';

/** Content of an event that can be erased: AES-256-GCM under the action's data key; additional data = event id. */
export const sealedContent = object({
  alg: oneOf('A256GCM'),
  /** Whose data key opens it; the unit of erasure (architecture.md "Privacy and erasure"). */
  action_id: uuid(),
  nonce: base64url(16),
  ciphertext: base64url(),
});
export type SealedContent = Shape<typeof sealedContent>;

export const ACTOR_TYPES = ['agent', 'person', 'service', 'system'] as const;
export type ActorType = (typeof ACTOR_TYPES)[number];

/**
 * CloudEvents 1.0 in structured mode. The bytes of this object, serialised once, are the event: they are stored,
 * published, hashed and signed as they are. `data` is described by the event's own definition.
 */
export interface EventEnvelope<D = unknown> {
  readonly specversion: '1.0';
  /** UUID v7; the key of every dedupe. */
  readonly id: string;
  /** `/tenants/{tenant}/services/{service}` */
  readonly source: string;
  /** `dev.exequatur.<context>.<Event>.v<n>` */
  readonly type: string;
  /** Id of the aggregate. */
  readonly subject: string;
  /** RFC 3339 UTC. For reservations, the database's clock. */
  readonly time: string;
  readonly datacontenttype: 'application/json';
  readonly dataschema: string;
  /** `<tenant>/<aggregate>/<subject>`: also the stream, and the Kafka key. */
  readonly partitionkey: string;
  /** Version in its stream, from 1, zero-padded to ten digits. */
  readonly sequence: string;
  readonly tenant: string;
  /** The action this belongs to, where there is one. */
  readonly correlationid?: string;
  /** Id of the event or idempotency key that led to this one. */
  readonly causationid?: string;
  readonly actortype: ActorType;
  readonly actorid: string;
  /** JSON list of issuer#sub: for whom the actor acted, by RFC 8693 `act` claims; the one who asked first is last. */
  readonly actorchain?: string;
  readonly traceparent?: string;
  readonly data: D;
  readonly sealed?: SealedContent;
}

/** JSON Schema of everything but `data`. */
export const envelopeSchema = object({
  specversion: oneOf('1.0'),
  id: uuid(),
  source: text(300),
  type: text(200),
  subject: text(300),
  time: instant(),
  datacontenttype: oneOf('application/json'),
  dataschema: text(300),
  partitionkey: text(500),
  sequence: text(10),
  tenant: name(),
  correlationid: optional(text(200)),
  causationid: optional(text(300)),
  actortype: oneOf(...ACTOR_TYPES),
  actorid: text(300),
  actorchain: optional(text(4_000)),
  traceparent: optional(text(100)),
  data: object({}),
  sealed: optional(sealedContent),
});

export const EVENT_CONTENT_TYPE = 'application/cloudevents+json; charset=UTF-8';
/**
 * Message headers, all ASCII text.
 * `exq-path`: inclusion path of this event's leaf in its transaction's Merkle tree, `<index>/<size>:<base64url>,<base64url>…`.
 * `exq-signature`: base64url of the DSSE signature over that tree's root; `exq-keyid`: the owner's key.
 * `exq-ordinal`: the event's place (from 1) among all events of its service and tenant; StreamHeadsPublished counts by it.
 */
export const HEADER = { contentType: 'content-type', path: 'exq-path', signature: 'exq-signature', keyId: 'exq-keyid', ordinal: 'exq-ordinal', traceparent: 'traceparent' } as const;


