import { definitionOf, HEADER, SERVICES, TreeHeadPublished } from '@exequatur/contracts';
import type { ServiceName } from '@exequatur/contracts';
import { leafHash, originProofOf } from '@exequatur/audit-chain';
import type { OriginVerifier } from '@exequatur/audit-chain';
import { parseStrict, StrictJsonError } from '@exequatur/kernel';
import type { IncomingMessage } from '@exequatur/messaging';
import { AUDIT_LIMITS } from '../limits.js';

/** A message as a leaf: its bytes as they are, and what could be read beside them. */
export interface IncomingLeaf {
  readonly bytes: Buffer;
  readonly hash: Buffer;
  /** undefined when it cannot be read */
  readonly tenant: string | undefined;
  /** '' when there is none */
  readonly eventId: string;
  readonly type: string | undefined;
  /** `ok`, or why nobody vouches for the bytes; recorded, never a reason to drop them */
  readonly origin: string;
  readonly path: string | undefined;
  readonly signature: string | undefined;
  readonly keyId: string | undefined;
  readonly ordinal: number | undefined;
  readonly topic: string;
  readonly partition: number;
  readonly offset: string;
  /** The parsed envelope, only where origin is ok. */
  readonly envelope: Readonly<Record<string, unknown>> | undefined;
}

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}$/;
const EVENT_ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** Header text we would write ourselves; the longest is a path of 53 hashes. */
const HEADER_TEXT = /^[\x21-\x7e]{1,3000}$/;
const ORDINAL = /^[1-9]\d{0,14}$/;

/** Reads what it can. Never throws on any bytes or headers: to the log they are opaque. */
export const readMessage = (message: IncomingMessage, verifyOrigin: OriginVerifier): IncomingLeaf => {
  const { value: bytes, headers, topic, partition, offset } = message;
  const envelope = readable(bytes);
  const tenant = matching(envelope?.['tenant'], NAME);
  const origin = originOf(bytes, headers, envelope, tenant, verifyOrigin);
  const ordinal = matching(headers[HEADER.ordinal], ORDINAL);
  return {
    bytes,
    hash: leafHash(bytes),
    tenant,
    eventId: matching(envelope?.['id'], EVENT_ID) ?? '',
    type: definitionOf(String(envelope?.['type']))?.type,
    origin,
    path: matching(headers[HEADER.path], HEADER_TEXT),
    signature: matching(headers[HEADER.signature], HEADER_TEXT),
    keyId: matching(headers[HEADER.keyId], HEADER_TEXT),
    ordinal: ordinal === undefined ? undefined : Number(ordinal),
    topic,
    partition,
    offset,
    envelope: origin === 'ok' ? envelope : undefined,
  };
};

/** The projector's own tree heads, and nothing that only claims to be one, stay out of the log they describe. */
export const isOwnTreeHead = ({ type, origin }: IncomingLeaf): boolean => type === TreeHeadPublished.type && origin === 'ok';

const readable = (bytes: Buffer): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value = parseStrict(bytes, { maxBytes: AUDIT_LIMITS.readableBytes, maxDepth: AUDIT_LIMITS.readableDepth });
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch (error) {
    if (error instanceof StrictJsonError) return undefined;
    throw error;
  }
};

const matching = (value: unknown, pattern: RegExp): string | undefined => (typeof value === 'string' && pattern.test(value) ? value : undefined);

const originOf = (bytes: Buffer, headers: IncomingMessage['headers'], envelope: Readonly<Record<string, unknown>> | undefined, tenant: string | undefined, verify: OriginVerifier): string => {
  if (envelope === undefined || tenant === undefined) return 'unreadable';
  const service = ownerOf(envelope, tenant);
  if (service === undefined) return 'no_owner';
  const proof = originProofOf(headers);
  if (proof === undefined) return 'no_proof';
  const result = verify(bytes, proof, tenant, service);
  return result.ok ? 'ok' : result.reason;
};

/** Who must have signed it: the owner of its type; where every service may say it, or the type is newer than we are, the service it names. */
const ownerOf = (envelope: Readonly<Record<string, unknown>>, tenant: string): ServiceName | undefined => {
  const owner = definitionOf(String(envelope['type']))?.owner;
  if (owner !== undefined && owner !== 'any') return owner;
  return SERVICES.find((service) => envelope['source'] === `/tenants/${tenant}/services/${service}`);
};
