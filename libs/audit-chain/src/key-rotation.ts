import type { KeyObject } from 'node:crypto';
import { canonicalBytes } from '@exequatur/kernel';
import { signDsse, verifyDsse } from './dsse.js';
import { strictBase64 } from './encoding.js';
import { importVerifyingKey, KeyFormatError } from './keys.js';
import type { SigningKey } from './keys.js';
import { rawPublicKey } from './note.js';

/** A change of a service's key (reliability.md section 9): old and new sign it, and its place in the log says from where on. */
export const KEY_ROTATION_TYPE = 'application/vnd.exequatur.key-rotation+json';

/** What SigningKeyRotated says. */
export interface KeyRotation<Service extends string = string> {
  readonly service: Service;
  readonly old_key_id: string;
  readonly new_key_id: string;
  /** 32 bytes, base64url */
  readonly new_key: string;
  readonly old_signature: string;
  readonly new_signature: string;
}

type Claims = Pick<KeyRotation, 'service' | 'old_key_id' | 'new_key_id' | 'new_key'>;

/** A rotation of one tenant's log cannot be replayed into another's. */
const payloadOf = (tenant: string, { service, old_key_id, new_key_id, new_key }: Claims): Uint8Array => canonicalBytes({ new_key, new_key_id, old_key_id, service, tenant });

/** @throws RangeError when old and new are one key, or share their id */
export const signKeyRotation = <Service extends string>({ tenant, service, from, to }: { readonly tenant: string; readonly service: Service; readonly from: SigningKey; readonly to: SigningKey }): KeyRotation<Service> => {
  const newKey = rawPublicKey(to.publicKey).toString('base64url');
  if (from.kid === to.kid || newKey === rawPublicKey(from.publicKey).toString('base64url')) throw new RangeError('a key is rotated to another key with an id of its own');
  const claims = { service, old_key_id: from.kid, new_key_id: to.kid, new_key: newKey };
  const payload = payloadOf(tenant, claims);
  const signed = (key: SigningKey): string => signDsse(key, KEY_ROTATION_TYPE, payload).toString('base64url');
  return { ...claims, old_signature: signed(from), new_signature: signed(to) };
};

/** The new key that both vouch for, or undefined. */
export const verifyKeyRotation = (rotation: KeyRotation, tenant: string, oldKey: KeyObject): KeyObject | undefined => {
  const [oldSignature, newSignature, raw] = [rotation.old_signature, rotation.new_signature, rotation.new_key].map((text) => strictBase64(text, 'base64url'));
  if (oldSignature === undefined || newSignature === undefined || raw?.length !== 32 || rotation.old_key_id === rotation.new_key_id) return undefined;
  const newKey = keyOf(rotation.new_key);
  if (newKey === undefined || rawPublicKey(oldKey).equals(raw)) return undefined;
  const payload = payloadOf(tenant, rotation);
  return verifyDsse(oldKey, KEY_ROTATION_TYPE, payload, oldSignature) && verifyDsse(newKey, KEY_ROTATION_TYPE, payload, newSignature) ? newKey : undefined;
};

const keyOf = (x: string): KeyObject | undefined => {
  try {
    return importVerifyingKey({ kty: 'OKP', crv: 'Ed25519', x });
  } catch (error) {
    if (error instanceof KeyFormatError) return undefined;
    throw error;
  }
};
