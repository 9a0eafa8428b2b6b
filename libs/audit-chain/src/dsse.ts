import type { KeyObject } from 'node:crypto';
import { signBytes, verifyBytes } from './keys.js';
import type { SigningKey } from './keys.js';

/** DSSE v1 pre-authentication encoding: `DSSEv1 <length> <type> <length> <payload>`, lengths in bytes. */
export const pae = (payloadType: string, payload: Uint8Array): Buffer => {
  const type = Buffer.from(payloadType, 'utf8');
  return Buffer.concat([Buffer.from(`DSSEv1 ${type.length} `), type, Buffer.from(` ${payload.byteLength} `), payload]);
};

/** The 64-byte signature of a DSSE envelope; the envelope itself is never built, its parts travel apart. */
export const signDsse = (key: SigningKey, payloadType: string, payload: Uint8Array): Buffer => signBytes(key, pae(payloadType, payload));

export const verifyDsse = (publicKey: KeyObject, payloadType: string, payload: Uint8Array, signature: Uint8Array): boolean =>
  verifyBytes(publicKey, pae(payloadType, payload), signature);
