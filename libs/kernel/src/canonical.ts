import { hash, randomBytes } from 'node:crypto';
import canonicalize from 'canonicalize';
import type { JsonValue } from './json.js';

/** RFC 8785 text of a value. @throws Error on what JSON cannot say (undefined, NaN, a lone surrogate, a cycle). */
export const canonicalText = (value: JsonValue): string => {
  const text = canonicalize(value);
  if (text === undefined) throw new Error('only JSON values have a canonical form');
  return text;
};

/** RFC 8785 bytes (UTF-8). Hash once, carry the bytes: they are what a tool is sent. */
export const canonicalBytes = (value: JsonValue): Uint8Array => Buffer.from(canonicalText(value), 'utf8');

/** By way of text, which Node gives back several times faster than a Buffer of its own. */
export const sha256 = (bytes: Uint8Array | string): Buffer => Buffer.from(hash('sha256', bytes, 'binary'), 'latin1');

/** `sha256:<64 lower-case hex digits>`, as every hash on a wire is written. */
export const sha256Text = (bytes: Uint8Array): string => `sha256:${hash('sha256', bytes, 'hex')}`;

export const SALT_BYTES = 16;

/** 16 random bytes; one per action. Lives with the sealed content and is destroyed with it. */
export const newSalt = (): Buffer => randomBytes(SALT_BYTES);

/** `sha256:` SHA-256(salt ‖ bytes): arguments_hash and view_hash (contracts.md). @throws RangeError on a salt of another length. */
export const saltedHash = (salt: Uint8Array, bytes: Uint8Array): string => {
  if (salt.byteLength !== SALT_BYTES) throw new RangeError(`a salt has ${SALT_BYTES} bytes`);
  return sha256Text(Buffer.concat([salt, bytes]));
};

/**
 * What a grant records of the salt, so that the salt shown later can be checked without having been shown before.
 * The prefix keeps it apart from a salted hash of empty bytes.
 */
export const saltCommitment = (salt: Uint8Array): string => {
  if (salt.byteLength !== SALT_BYTES) throw new RangeError(`a salt has ${SALT_BYTES} bytes`);
  return sha256Text(Buffer.concat([Buffer.from('exequatur/salt/v1\0', 'utf8'), salt]));
};
