import { anything, base64url, count, hash, instant, list, name, object, oneOf, optional, record, text, truth, uuid } from './schema.js';
import type { Shape } from './schema.js';
import { SERVICES } from './topics.js';

/** Public Ed25519 key as evidence carries it (RFC 8037). Convenience for a first look: who verifies brings keys of their own. */
export const evidenceKey = object({
  kid: text(100),
  jwk: object({ kty: oneOf('OKP'), crv: oneOf('Ed25519'), x: base64url(64), kid: optional(text(100)), alg: optional(text(20)), use: optional(text(20)) }),
});

/** RFC 9162 inclusion proof under the receipt's tree head. */
const inclusionProof = object({ index: count(), size: count(), leaf_hash: hash(), path: list(hash()) });

/** One event of the action: what it says in the open, and what proves that it was logged and who said it. */
const receiptStep = object({
  step: text(20),
  event_id: uuid(),
  type: text(200),
  time: instant(),
  actor: object({ type: name(), id: text(300) }),
  /** SHA-256 of the event's bytes */
  event_hash: hash(),
  /** leaf index */
  sequence: count(),
  /** the event's bytes, base64; the leaf is over them */
  bytes_b64: text(16_777_216),
  /** origin proof, as in exports; absent where the message had none */
  path: optional(text(3_000)),
  signature: optional(text(3_000)),
  key_id: optional(text(3_000)),
  proof: optional(inclusionProof),
  /** no tree head covers it yet */
  pending: optional(truth()),
  /** the open part of the bytes, without the signed form of a grant */
  data: anything(),
});

/** Sealed content of the action, opened for who may read it; each part follows from a hash in the events. */
const receiptContent = object({
  /** 16 bytes */
  salt: optional(base64url(32)),
  /** canonical JSON; arguments_hash = SHA-256(salt ‖ these bytes) */
  arguments: optional(text(262_144)),
  target: optional(text(1_000)),
  /** canonical JSON of what each approver saw; view_hash = SHA-256(salt ‖ these bytes) */
  cards: list(object({ event_id: uuid(), view_hash: hash(), card: text(524_288) }), 100),
  /** the key was destroyed: nothing can be opened any more, and every proof still holds */
  erased: optional(truth()),
});

/** Document of one action's whole chain, however it ended. Verifies alone, without the export it is part of. */
export const receiptShape = object({
  format: oneOf('exequatur-receipt/1'),
  tenant: name(),
  action_id: uuid(),
  agent: optional(name()),
  outcome: text(30),
  ended: truth(),
  /** event ids by part of the chain */
  chain: anything(),
  steps: list(receiptStep, 10_000),
  /** the note carries the log's signature and those of witnesses */
  tree_head: optional(object({ log: text(200), size: count(), root: hash(), note: text(10_000), published_at: instant() })),
  keys: record(list(evidenceKey, 20), SERVICES.length),
  log_key: evidenceKey,
  content: optional(receiptContent),
});
export type ReceiptDocument = Shape<typeof receiptShape>;
export type ReceiptContent = Shape<typeof receiptContent>;
