import { createHash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { signBytes, verifyBytes } from './keys.js';
import type { SigningKey } from './keys.js';
import { notePartsOf } from './note-parts.js';

/** Signed notes (c2sp.org/signed-note) with Ed25519 signatures, type 0x01. */
const ED25519 = 0x01;

/** Not empty, no white space, no plus. */
const KEY_NAME = /^[^\s+\p{White_Space}\p{Cc}]+$/u;
export const isKeyName = (name: string): boolean => KEY_NAME.test(name);
const CONTROL = /[^\P{Cc}\n]/u;

/** First four bytes of SHA-256(name ‖ newline ‖ type ‖ public key); the type is 0x01, or 0x04 for keys that cosign. */
export const noteKeyId = (name: string, publicKey: KeyObject, type: number = ED25519): Buffer =>
  createHash('sha256').update(`${name}\n`).update(Buffer.of(type)).update(rawPublicKey(publicKey)).digest().subarray(0, 4);

/** The 32 bytes of an Ed25519 public key. */
export const rawPublicKey = (publicKey: KeyObject): Buffer => Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');

/**
 * The note: text, empty line, one signature line.
 * @param text ends in a newline and holds no other control character
 * @param name of the key, as verifiers know it
 * @throws RangeError on a text or name that no verifier would take
 */
export const signNote = (text: string, name: string, key: SigningKey): string => {
  if (!text.endsWith('\n') || CONTROL.test(text)) throw new RangeError('a note text ends in a newline and holds no other control character');
  if (!isKeyName(name)) throw new RangeError('a note key name holds neither spaces nor plus');
  const signature = Buffer.concat([noteKeyId(name, key.publicKey), signBytes(key, Buffer.from(text, 'utf8'))]);
  return `${text}\n\u2014 ${name} ${signature.toString('base64')}\n`;
};

/**
 * The text of a note that this key signed under this name, else undefined. Signatures by others (witnesses, a rotated key)
 * are ignored, as the specification asks; a wrong one by this key rejects the note.
 */
export const openNote = (note: string, name: string, publicKey: KeyObject): string | undefined => {
  const parts = notePartsOf(note);
  if (parts === undefined) return undefined;
  const keyId = noteKeyId(name, publicKey);
  let signed = false;
  for (const each of parts.signatures) {
    if (each.name !== name || !each.keyId.equals(keyId)) continue;
    if (!verifyBytes(publicKey, Buffer.from(parts.text, 'utf8'), each.signature)) return undefined;
    signed = true;
  }
  return signed ? parts.text : undefined;
};
