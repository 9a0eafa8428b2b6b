import type { KeyObject } from 'node:crypto';
import type { ServiceName } from '@exequatur/contracts';
import { isJsonObject, parseStrict } from '@exequatur/kernel';
import { importSigningKey, importVerifyingKey, signBytes, type PrivateJwk, type PublicJwk, type SigningKey, type TrustedKeys } from '@exequatur/audit-chain';
import { compactVerify, jwtVerify, type JWTPayload, type JWSHeaderParameters } from 'jose';

/** A token that is not what it must be. Says which check failed, never the token. */
export class TokenRefused extends Error {
  override readonly name = 'TokenRefused';
}

export interface Expected {
  /** Whose key must have signed it. */
  readonly service: ServiceName;
  /** Media type in the JOSE header (RFC 7515 section 4.1.9): keeps a grant from passing as another token. */
  readonly typ: string;
  readonly audience?: string;
  /** Tells whether exp and nbf are judged; grants are judged by reservations' database clock instead. Default true. */
  readonly judgeTime?: boolean;
}

export interface JwkSet {
  readonly keys: readonly PublicJwk[];
}

const encoded = (part: object): string => Buffer.from(JSON.stringify(part), 'utf8').toString('base64url');

/** Signs with this service's key, and verifies by the pinned public keys of all services: nothing is ever fetched. */
export class Signer {
  private readonly pinned = new Map<string, KeyObject>();

  /** For the event store. */
  readonly signingKey: SigningKey;

  /** @throws KeyFormatError; Error when this service's own key is not among the pinned ones */
  constructor(
    readonly service: ServiceName,
    privateJwk: PrivateJwk,
    readonly trustedKeys: TrustedKeys,
  ) {
    this.signingKey = importSigningKey(privateJwk);
    for (const [owner, keys] of Object.entries(trustedKeys)) for (const { kid, jwk } of keys) this.pinned.set(pinName(owner, kid), importVerifyingKey(jwk));
    const pinned = this.trustedKeys[service]?.find(({ kid }) => kid === privateJwk.kid);
    if (pinned?.jwk.x !== privateJwk.x) throw new Error(`the signing key of ${service} is not among EXEQUATUR_TRUSTED_KEYS: no other service would believe it`);
  }

  get keyId(): string {
    return this.signingKey.kid;
  }

  /**
   * A compact JWS (RFC 7515, RFC 8037) over the claims as they are: `iss`, `aud`, `exp` are the caller's. Signed in this thread:
   * Web Crypto hands each signature to a thread pool, which costs a batch of reservations several times the signatures.
   */
  signJws(claims: Readonly<Record<string, unknown>>, typ: string): string {
    const signed = `${encoded({ alg: 'EdDSA', typ, kid: this.keyId })}.${encoded(claims)}`;
    return `${signed}.${signBytes(this.signingKey, Buffer.from(signed, 'ascii')).toString('base64url')}`;
  }

  /** @throws TokenRefused */
  async verifyJws(token: string, { service, typ, audience, judgeTime = true }: Expected): Promise<JWTPayload> {
    const keyOf = ({ kid }: JWSHeaderParameters): KeyObject => this.pinned.get(pinName(service, kid ?? '')) ?? refuseToken('signed by no pinned key');
    try {
      if (judgeTime) return (await jwtVerify(token, keyOf, { algorithms: ['EdDSA'], typ, ...(audience === undefined ? {} : { audience }) })).payload;
      const { payload, protectedHeader } = await compactVerify(token, keyOf, { algorithms: ['EdDSA'] });
      if (protectedHeader.typ !== typ) refuseToken('of another type');
      const claims = parseStrict(payload);
      if (!isJsonObject(claims)) return refuseToken('not an object');
      if (audience !== undefined && claims['aud'] !== audience) refuseToken('for another audience');
      return claims;
    } catch (error) {
      if (error instanceof TokenRefused) throw error;
      throw new TokenRefused(error instanceof Error && 'code' in error ? String(error.code) : 'not a JWS');
    }
  }

  /** RFC 7517 set of this service's public keys, as pinned. */
  jwks(): JwkSet {
    return { keys: (this.trustedKeys[this.service] ?? []).map(({ kid, jwk }) => ({ kty: jwk.kty, crv: jwk.crv, x: jwk.x, kid, alg: 'EdDSA', use: 'sig' })) };
  }
}

const refuseToken = (reason: string): never => {
  throw new TokenRefused(reason);
};

const pinName = (service: string, kid: string): string => JSON.stringify([service, kid]);
