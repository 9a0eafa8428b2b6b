import { createHash } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { strictBase64 } from './encoding.js';
import { signBytes, verifyBytes } from './keys.js';
import type { SigningKey } from './keys.js';

/** Signed notes (c2sp.org/signed-note) with Ed25519 signatures, type 0x01. */
const ED25519 = 0x01;
const MOST_SIGNATURES = 100;
const MOST_CHARACTERS = 65_536;

/** Not empty, no white space, no plus. */
const KEY_NAME = /^[^\s+\p{White_Space}\p{Cc}]+$/u;
const SIGNATURE_LINE = /^\u2014 (\S+) (\S+)$/u;
/** Control characters other than newline; the specification names those below U+0020, here U+007F to U+009F too. */
const CONTROL = /[^\P{Cc}\n]/u;

/** First four bytes of SHA-256(name ‖ newline ‖ 0x01 ‖ public key). */
export const noteKeyId = (name: string, publicKey: KeyObject): Buffer => {
  const raw = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  return createHash('sha256').update(`${name}\n`).update(Buffer.of(ED25519)).update(raw).digest().subarray(0, 4);
};

/**
 * The note: text, empty line, one signature line.
 * @param text ends in a newline and holds no other control character
 * @param name of the key, as verifiers know it
 * @throws RangeError on a text or name that no verifier would take
 */
export const signNote = (text: string, name: string, key: SigningKey): string => {
  if (!text.endsWith('\n') || CONTROL.test(text)) throw new RangeError('a note text ends in a newline and holds no other control character');
  if (!KEY_NAME.test(name)) throw new RangeError('a note key name holds neither spaces nor plus');
  const signature = Buffer.concat([noteKeyId(name, key.publicKey), signBytes(key, Buffer.from(text, 'utf8'))]);
  return `${text}\n\u2014 ${name} ${signature.toString('base64')}\n`;
};

/**
 * The text of a note that this key signed under this name, else undefined. Signatures by others (witnesses, a rotated key)
 * are ignored, as the specification asks; a wrong one by this key rejects the note.
 */
export const openNote = (note: string, name: string, publicKey: KeyObject): string | undefined => {
  const border = note.lastIndexOf('\n\n');
  if (note.length > MOST_CHARACTERS || border < 0 || !note.endsWith('\n') || CONTROL.test(note)) return undefined;
  const text = note.slice(0, border + 1);
  const lines = note.slice(border + 2, -1).split('\n');
  if (lines.length > MOST_SIGNATURES) return undefined;
  const keyId = noteKeyId(name, publicKey);
  let signed = false;
  for (const line of lines) {
    const [, signer, encoded = ''] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = strictBase64(encoded, 'base64');
    if (signer === undefined || bytes === undefined || bytes.length < 5) return undefined;
    if (signer !== name || !bytes.subarray(0, 4).equals(keyId)) continue;
    if (!verifyBytes(publicKey, Buffer.from(text, 'utf8'), bytes.subarray(4))) return undefined;
    signed = true;
  }
  return signed ? text : undefined;
};
