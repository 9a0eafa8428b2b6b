import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';

/** AES-256-GCM with a random 96-bit nonce (NIST SP 800-38D 8.2.2: fewer than 2^32 uses of a key, here one action's). */
export const KEY_BYTES = 32;
export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** What was sealed does not open: another key, another place, or changed bytes. Says no more than that. */
export class CannotOpen extends Error {
  override readonly name = 'CannotOpen';
  constructor() {
    super('sealed content does not open: another key, another place, or changed bytes');
  }
}

export interface Encrypted {
  readonly nonce: Buffer;
  /** With the 16-byte tag at its end. */
  readonly ciphertext: Buffer;
}

/** @param place additional authenticated data: content opens only where it was sealed for */
export const encrypt = (key: Buffer, place: string, plaintext: Uint8Array): Encrypted => {
  if (key.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes`);
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES }).setAAD(Buffer.from(place, 'utf8'));
  const body = cipher.update(plaintext);
  return { nonce, ciphertext: Buffer.concat([body, cipher.final(), cipher.getAuthTag()]) };
};

/** @throws CannotOpen */
export const decrypt = (key: Buffer, place: string, { nonce, ciphertext }: Encrypted): Buffer => {
  if (key.length !== KEY_BYTES) throw new RangeError(`a key has ${KEY_BYTES} bytes`);
  if (nonce.length !== NONCE_BYTES || ciphertext.length < TAG_BYTES) throw new CannotOpen();
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES })
    .setAAD(Buffer.from(place, 'utf8'))
    .setAuthTag(ciphertext.subarray(-TAG_BYTES));
  try {
    const body = decipher.update(ciphertext.subarray(0, -TAG_BYTES));
    return Buffer.concat([body, decipher.final()]);
  } catch {
    throw new CannotOpen();
  }
};
