import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

/** Public Ed25519 key as a JWK (RFC 8037). */
export interface PublicJwk {
  readonly kty: 'OKP';
  readonly crv: 'Ed25519';
  /** 32 bytes, base64url */
  readonly x: string;
  readonly kid?: string;
  readonly alg?: string;
  readonly use?: string;
}

/** Private Ed25519 key as a JWK; `kid` is required, since every signature names it. */
export interface PrivateJwk extends PublicJwk {
  readonly kid: string;
  /** 32 bytes, base64url */
  readonly d: string;
}

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

/** A key that is not a usable Ed25519 JWK. Says which part is wrong, never its value. */
export class KeyFormatError extends Error {
  override readonly name = 'KeyFormatError';
}

/** A new key pair. `kid` is the prefix and the first 16 characters of the RFC 7638 thumbprint: `reservations-x3Fa…`. */
export const generateSigningKey = (kidPrefix: string): { readonly kid: string; readonly privateJwk: PrivateJwk; readonly publicJwk: PublicJwk & { readonly kid: string } } => {
  const { d, x } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  if (d === undefined || x === undefined) throw new KeyFormatError('the runtime made no Ed25519 key');
  const kid = `${kidPrefix}-${createHash('sha256').update(`{"crv":"Ed25519","kty":"OKP","x":"${x}"}`).digest('base64url').slice(0, 16)}`;
  const publicJwk = { kty: 'OKP', crv: 'Ed25519', x, kid, alg: 'EdDSA', use: 'sig' } as const;
  return { kid, publicJwk, privateJwk: { ...publicJwk, d } };
};

/** @throws KeyFormatError when it is no private Ed25519 JWK with a kid, or its two halves do not belong together */
export const importSigningKey = (jwk: PrivateJwk): SigningKey => {
  if (typeof jwk.kid !== 'string' || jwk.kid === '') throw new KeyFormatError('a signing key needs a kid');
  if (typeof jwk.d !== 'string') throw new KeyFormatError('a signing key needs its private part');
  const publicKey = importVerifyingKey(jwk);
  try {
    const privateKey = createPrivateKey({ key: { kty: 'OKP', crv: 'Ed25519', x: jwk.x, d: jwk.d }, format: 'jwk' });
    if (createPublicKey(privateKey).export({ format: 'jwk' }).x === jwk.x) return { kid: jwk.kid, privateKey, publicKey };
  } catch {
    throw new KeyFormatError('not a private Ed25519 key');
  }
  throw new KeyFormatError('the private and the public part are of different keys');
};

/** @throws KeyFormatError when it is no Ed25519 JWK */
export const importVerifyingKey = (jwk: PublicJwk): KeyObject => {
  if (jwk.kty !== 'OKP' || jwk.crv !== 'Ed25519' || typeof jwk.x !== 'string') throw new KeyFormatError('not an Ed25519 JWK');
  try {
    return createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: jwk.x }, format: 'jwk' });
  } catch {
    throw new KeyFormatError('not a public Ed25519 key');
  }
};

/** Ed25519 (RFC 8032), 64 bytes. */
export const signBytes = (key: SigningKey, bytes: Uint8Array): Buffer => sign(null, bytes, key.privateKey);

/** False, never a throw, on anything but a valid Ed25519 signature by an Ed25519 key. */
export const verifyBytes = (publicKey: KeyObject, bytes: Uint8Array, signature: Uint8Array): boolean =>
  publicKey.asymmetricKeyType === 'ed25519' && signature.byteLength === 64 && verify(null, bytes, publicKey, signature);
