import { base64url, count, hash, object, optional, text } from '@exequatur/contracts';

/** A leaf with what proves its origin, as in exports and /v1/log/entries. */
export const leafShape = object({
  /** leaf index, from 0 */
  sequence: count(),
  /** the event's bytes, base64 (RFC 4648 section 4) */
  bytes_b64: optional(text(16_777_216)),
  /** of a leaf whose bytes are no longer kept: `sha256:` of its RFC 9162 leaf */
  leaf_hash: optional(hash()),
  /** exq-path, exq-signature, exq-keyid, exq-ordinal and the topic of the message that brought it; absent where it had none */
  path: optional(text(3_000)),
  signature: optional(base64url(3_000)),
  key_id: optional(text(3_000)),
  ordinal: optional(count()),
  topic: text(100),
});

export interface LeafDocument {
  readonly sequence: number;
  readonly bytes_b64?: string;
  readonly leaf_hash?: string;
  readonly path?: string;
  readonly signature?: string;
  readonly key_id?: string;
  readonly ordinal?: number;
  readonly topic: string;
}

export interface LeafRow {
  readonly sequence: string;
  readonly bytes: Buffer;
  readonly path: string | null;
  readonly signature: string | null;
  readonly key_id: string | null;
  readonly ordinal: string | null;
  readonly topic: string;
  readonly pruned: boolean;
  readonly leaf_hash: Buffer;
}

export const leafDocument = (row: LeafRow): LeafDocument => ({
  sequence: Number(row.sequence),
  ...(row.pruned ? { leaf_hash: `sha256:${row.leaf_hash.toString('hex')}` } : { bytes_b64: row.bytes.toString('base64') }),
  ...(row.path === null ? {} : { path: row.path }),
  ...(row.signature === null ? {} : { signature: row.signature }),
  ...(row.key_id === null || row.pruned ? {} : { key_id: row.key_id }),
  ...(row.ordinal === null ? {} : { ordinal: Number(row.ordinal) }),
  topic: row.topic,
});
