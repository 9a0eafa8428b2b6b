import { createPublicKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** Where public keys of the authority come from. */
export interface KeySource {
  /** Undefined when the authority publishes no such key. @throws KeysUnavailable when that cannot be told */
  keyOf(kid: string): Promise<KeyObject | undefined>;
}

/** The keys cannot be had: neither fresh nor within the time that old ones may be used. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

/** A JWK set that is none. Says what is wrong, never a value. */
export class KeySetMalformed extends Error {
  override readonly name = 'KeySetMalformed';
}

const MAX_KEYS = 100;

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> => typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Ed25519 signing keys of a JWK set (RFC 7517, RFC 8037) whose `kid` begins with the prefix; others are left out.
 * The prefix keeps apart the services of one installation, whose sets one origin may publish together: only reservations
 * signs authorizations.
 * @throws KeySetMalformed when it is no set, is too large, or names one kid twice
 */
export const keysOf = (set: unknown, kidPrefix: string): ReadonlyMap<string, KeyObject> => {
  const listed = isObject(set) ? set['keys'] : undefined;
  if (!Array.isArray(listed)) throw new KeySetMalformed('a JWK set has a list of keys');
  if (listed.length > MAX_KEYS) throw new KeySetMalformed(`more than ${MAX_KEYS} keys`);
  const keys = new Map<string, KeyObject>();
  for (const jwk of listed as readonly unknown[]) {
    if (!isObject(jwk) || typeof jwk['kid'] !== 'string' || !jwk['kid'].startsWith(kidPrefix)) continue;
    if (jwk['kty'] !== 'OKP' || jwk['crv'] !== 'Ed25519' || typeof jwk['x'] !== 'string') continue;
    if ((jwk['use'] ?? 'sig') !== 'sig' || (jwk['alg'] ?? 'EdDSA') !== 'EdDSA') continue;
    if (keys.has(jwk['kid'])) throw new KeySetMalformed('one kid names two keys');
    keys.set(jwk['kid'], publicKey(jwk['x']));
  }
  return keys;
};

const publicKey = (x: string): KeyObject => {
  try {
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
  } catch {
    throw new KeySetMalformed('not an Ed25519 public key');
  }
};

/** How kids of reservations begin. */
export const AUTHORITY_KID_PREFIX = 'reservations-';

/** Keys brought along, for gateways that fetch nothing. Rotation is then a deployment. @throws KeySetMalformed */
export const pinnedKeys = (set: unknown, kidPrefix = AUTHORITY_KID_PREFIX): KeySource => {
  const keys = keysOf(set, kidPrefix);
  return { keyOf: (kid) => Promise.resolve(keys.get(kid)) };
};
