import type { SealedContent } from '@exequatur/contracts';
import { CannotOpen, decrypt, encrypt, NONCE_BYTES } from './cipher.js';

/**
 * Seals the erasable part of an event under its action's data key. It opens only as part of the event with that id.
 * @param plaintext a JSON object: what JSON.stringify keeps of it is what `open` gives back
 */
export const seal = (key: Buffer, actionId: string, eventId: string, plaintext: object): SealedContent => {
  const { nonce, ciphertext } = encrypt(key, eventId, Buffer.from(JSON.stringify(plaintext), 'utf8'));
  return { alg: 'A256GCM', action_id: actionId, nonce: nonce.toString('base64url'), ciphertext: ciphertext.toString('base64url') };
};

/** The plaintext object; unknown, since the caller checks its shape. @throws CannotOpen */
export const open = (key: Buffer, sealed: SealedContent, eventId: string): unknown => {
  const nonce = Buffer.from(sealed.nonce, 'base64url');
  const ciphertext = Buffer.from(sealed.ciphertext, 'base64url');
  return JSON.parse(decrypt(key, eventId, { nonce, ciphertext }).toString('utf8'));
};

const VERSION = 1;

/**
 * Seals bytes that are kept beside events: idempotent answers, views, checkpoints.
 * @param place what they are and whose, e.g. `answer:acme:<operation>:<key>`: they do not open for anything else
 * @returns version (1 byte), nonce (12), ciphertext, tag (16)
 */
export const sealBytes = (key: Buffer, place: string, plaintext: Uint8Array): Buffer => {
  const { nonce, ciphertext } = encrypt(key, place, plaintext);
  return Buffer.concat([Buffer.of(VERSION), nonce, ciphertext]);
};

/** @throws CannotOpen */
export const openBytes = (key: Buffer, place: string, sealed: Uint8Array): Buffer => {
  if (sealed[0] !== VERSION) throw new CannotOpen();
  const bytes = Buffer.from(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  return decrypt(key, place, { nonce: bytes.subarray(1, 1 + NONCE_BYTES), ciphertext: bytes.subarray(1 + NONCE_BYTES) });
};
