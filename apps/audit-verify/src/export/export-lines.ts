import { base64url, count, hash, instant, list, name, object, oneOf, optional, record, SERVICES, text } from '@exequatur/contracts';
import type { Schema, Shape } from '@exequatur/contracts';
import type { PublicJwk, TrustedKeys } from '@exequatur/audit-chain';
import { parseStrict, StrictJsonError } from '@exequatur/kernel';
import { shapeFault } from '../shape-faults.js';

/**
 * An export, JSON Lines: one header, one line a leaf in the order of the log, the tree heads, one end. Every object is closed.
 */
export const EXPORT_FORMAT = 'exequatur-export/1';

const jwk = object({ kty: oneOf('OKP'), crv: oneOf('Ed25519'), x: base64url(64), kid: optional(text(100)), alg: optional(text(20)), use: optional(text(20)) });

export const headerLine = object({
  format: oneOf(EXPORT_FORMAT),
  tenant: name(),
  /** the newest one, over exactly the leaves that follow; absent for a log without any */
  tree_head: optional(text(10_000)),
  /** public keys by service: convenience for a first look, no proof; verifiers bring their own */
  keys: record(list(object({ kid: text(100), jwk }), 20), SERVICES.length),
  /** of tree heads and of this file's end */
  log_key: object({ kid: text(100), jwk }),
  created_at: instant(),
});
export type ExportHeader = Shape<typeof headerLine>;

export const leafLine = object({
  /** leaf index, from 0 */
  sequence: count(),
  /** the event's bytes, base64 (RFC 4648 section 4) */
  bytes_b64: text(16_777_216),
  path: optional(text(3_000)),
  signature: optional(text(200)),
  key_id: optional(text(200)),
  /** place among its service's events, as the message said; bound to the log by StreamHeadsPublished */
  ordinal: optional(count()),
  topic: text(100),
});
export type ExportLeaf = Shape<typeof leafLine>;

/** A leaf whose bytes are no longer kept: its hash holds its place. The topic says whose event it was. */
export const prunedLine = object({ sequence: count(), leaf_hash: hash(), ordinal: optional(count()), topic: text(100) });
export type PrunedLeaf = Shape<typeof prunedLine>;

export const treeHeadLine = object({ tree_head: text(10_000) });

export const endLine = object({
  end: oneOf('exequatur-export'),
  leaves: count(),
  tree_heads: count(),
  /** SHA-256 of every line before this one, each with its newline */
  digest: text(80),
  /** DSSE signature over {tenant, leaves, tree_heads, digest} by the log key, base64url */
  signature: base64url(200),
});
export type ExportEnd = Shape<typeof endLine>;

/** DSSE payload type of the end line's signature. */
export const EXPORT_END_TYPE = 'application/vnd.exequatur.export-end+json';

export type ExportLine =
  | { readonly kind: 'header'; readonly header: ExportHeader }
  | { readonly kind: 'leaf'; readonly leaf: ExportLeaf }
  | { readonly kind: 'pruned'; readonly leaf: PrunedLeaf }
  | { readonly kind: 'tree_head'; readonly note: string }
  | { readonly kind: 'end'; readonly end: ExportEnd }
  | { readonly kind: 'malformed'; readonly fault: string };

/** Longest line: the largest event with its base64 overhead. */
export const MAX_LINE_BYTES = 16 * 1024 * 1024;

export const readLine = (line: string): ExportLine => {
  const value = parsed(line);
  if (typeof value === 'string') return { kind: 'malformed', fault: value };
  if ('format' in value) return shapedLine(headerLine, value, (header) => ({ kind: 'header', header }));
  if ('leaf_hash' in value) return shapedLine(prunedLine, value, (leaf) => ({ kind: 'pruned', leaf }));
  if ('sequence' in value || 'bytes_b64' in value) return shapedLine(leafLine, value, (leaf) => ({ kind: 'leaf', leaf }));
  if ('tree_head' in value) return shapedLine(treeHeadLine, value, ({ tree_head: note }) => ({ kind: 'tree_head', note }));
  if ('end' in value) return shapedLine(endLine, value, (end) => ({ kind: 'end', end }));
  return { kind: 'malformed', fault: 'it is no line of an export' };
};

const parsed = (line: string): object | string => {
  try {
    const value = parseStrict(line, { maxBytes: MAX_LINE_BYTES, maxDepth: 8 });
    return typeof value === 'object' && value !== null ? value : 'it is no JSON object';
  } catch (error) {
    if (error instanceof StrictJsonError) return `it is no strict JSON: ${error.reason}`;
    throw error;
  }
};

const shapedLine = <T>(schema: Schema<T>, value: unknown, line: (value: T) => ExportLine): ExportLine => {
  const fault = shapeFault(schema.json, value);
  return fault === undefined ? line(value as T) : { kind: 'malformed', fault };
};

/** The keys of a header in the form that verification takes. */
export const keysOf = (header: ExportHeader): { readonly trusted: TrustedKeys; readonly log: readonly PublicJwk[] } => ({
  trusted: header.keys as unknown as TrustedKeys,
  log: [header.log_key.jwk as unknown as PublicJwk],
});
