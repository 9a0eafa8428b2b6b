import { defineEvent } from '../event.js';
import { base64url, count, hash, instant, list, name, object, oneOf, optional, text, uuid } from '../schema.js';
import { SERVICES } from '../topics.js';

export const StreamHeadsPublished = defineEvent({
  name: 'StreamHeadsPublished',
  version: 1,
  context: 'audit',
  owner: 'any',
  aggregate: 'stream-heads',
  summary: 'How many events a service has published for a tenant, and their Merkle root, so that an omission shows. It counts neither itself nor tree heads.',
  data: object({
    service: oneOf(...SERVICES),
    /** events with ordinal 1..events */
    events: count(),
    /** RFC 9162 root of their leaves in ordinal order */
    root: hash(),
  }),
});

export const EventQuarantined = defineEvent({
  name: 'EventQuarantined',
  version: 1,
  context: 'audit',
  owner: 'any',
  aggregate: 'dead-letter',
  summary: 'A message could not be taken for a deterministic reason; its bytes are on the dead-letter topic.',
  data: object({ service: oneOf(...SERVICES), topic: text(100), offset: text(30), partition: count(), reason: text(300), message_hash: hash(), event_id: optional(text(100)) }),
});

export const TreeHeadPublished = defineEvent({
  name: 'TreeHeadPublished',
  version: 1,
  context: 'audit',
  owner: 'audit',
  aggregate: 'log',
  summary: 'Signed size and root of a tenant’s log.',
  data: object({
    log: name(),
    size: count(),
    root: hash(),
    /** C2SP signed note (tlog-checkpoint) */
    note: text(10_000),
    published_at: instant(),
  }),
});

export const ExportMade = defineEvent({
  name: 'ExportMade',
  version: 1,
  context: 'audit',
  owner: 'audit',
  aggregate: 'export',
  summary: 'Someone took evidence out.',
  data: object({ export_id: uuid(), format: oneOf('jsonl', 'csv', 'ocsf', 'archive'), log_size: count() }),
});

const retention = { version: 1, context: 'audit', owner: 'audit' } as const;

export const ErasureCompleted = defineEvent({
  ...retention,
  name: 'ErasureCompleted',
  aggregate: 'erasure',
  summary: 'The data key of an action, and with it the salt of its hashes, was destroyed; its sealed content can be opened by nobody.',
  data: object({ action_id: uuid(), reason: text(1_000) }),
});

export const LegalHoldPlaced = defineEvent({
  ...retention,
  name: 'LegalHoldPlaced',
  aggregate: 'legal-hold',
  summary: 'An action must be kept as it is: it is not erased until the hold is lifted.',
  data: object({ action_id: uuid(), reason: text(1_000) }),
});

export const LegalHoldLifted = defineEvent({
  ...retention,
  name: 'LegalHoldLifted',
  aggregate: 'legal-hold',
  summary: 'A legal hold ended.',
  data: object({ action_id: uuid(), reason: text(1_000) }),
});

export const RetentionEnded = defineEvent({
  ...retention,
  name: 'RetentionEnded',
  aggregate: 'retention',
  summary: 'An action is older than its class is kept: its data key was destroyed and the bytes of its leaves were pruned; their hashes stay, so that every root and proof still holds.',
  data: object({
    action_id: uuid(),
    action_class: optional(name()),
    /** what its policy says, at least 180 days; 7 years where it says nothing */
    retention_ms: count(),
    /** time of its last event, which the period runs from */
    last_event_at: instant(),
    /** leaf indices whose bytes are gone */
    leaves: list(count(), 10_000),
  }),
});

export const SigningKeyRotated = defineEvent({
  name: 'SigningKeyRotated',
  version: 1,
  context: 'audit',
  owner: 'any',
  aggregate: 'signing-key',
  summary: 'From the next event of this service on, a new key signs; the old key and the new one both signed this. The place in the log judges, not the clock.',
  data: object({
    service: oneOf(...SERVICES),
    old_key_id: text(100),
    new_key_id: text(100),
    /** public key of the new one: Ed25519, `x` of its JWK (RFC 8037) */
    new_key: base64url(64),
    /** DSSE signatures of type `application/vnd.exequatur.key-rotation+json` over the canonical {new_key, new_key_id, old_key_id, service, tenant} */
    old_signature: base64url(200),
    new_signature: base64url(200),
  }),
});
