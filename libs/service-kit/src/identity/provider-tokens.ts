import { createRemoteJWKSet, decodeJwt, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import { problem } from '../problem/problem.js';
import type { IdentityProvider } from './identity-provider.js';

/** Public keys only: a shared secret would let whoever can verify a token also make one. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
/** Between the provider's clock and ours. */
const CLOCK_TOLERANCE_SECONDS = 30;
/** A key taken out of the provider's set stops counting within this time. */
const KEYS_MAX_AGE_MS = 5 * 60_000;
/** Made-up key ids cost one fetch in this time. */
const KEYS_COOLDOWN_MS = 2_000;
const FETCH_TIMEOUT_MS = 3_000;
/** A token without a short end would outlive whatever its owner loses. */
const MAX_LIFETIME_SECONDS = 24 * 60 * 60;
/** An answer of discovery. */
const MAX_DOCUMENT_BYTES = 256 * 1024;

export interface ProvenToken {
  readonly provider: IdentityProvider;
  readonly claims: JWTPayload;
}

/** Tokens of the providers an installation trusts. Their keys are fetched and kept; while they cannot be had, nobody is believed. */
export class ProviderTokens {
  private readonly byIssuer: ReadonlyMap<string, IdentityProvider>;
  private readonly keySets = new Map<string, Promise<JWTVerifyGetKey>>();

  constructor(readonly providers: readonly IdentityProvider[]) {
    this.byIssuer = new Map(providers.map((provider) => [provider.issuer, provider]));
  }

  /** An access token for the API. Undefined when it proves nothing, whatever the reason. @throws Problem DEPENDENCY_DOWN while the provider's keys cannot be had */
  accessToken(token: string): Promise<ProvenToken | undefined> {
    return this.proven(token, ({ audience }) => audience);
  }

  /** An id token that was made for our own sign-in. Undefined and @throws as of an access token. */
  idToken(token: string): Promise<ProvenToken | undefined> {
    return this.proven(token, ({ signIn }) => signIn?.clientId);
  }

  private async proven(token: string, audienceOf: (provider: IdentityProvider) => string | undefined): Promise<ProvenToken | undefined> {
    const provider = this.byIssuer.get(issuerIn(token) ?? '');
    const audience = provider === undefined ? undefined : audienceOf(provider);
    if (provider === undefined || audience === undefined) return undefined;
    const keys = await this.keysOf(provider);
    try {
      const { payload } = await jwtVerify(token, keys, { issuer: provider.issuer, audience, algorithms: ALGORITHMS, clockTolerance: CLOCK_TOLERANCE_SECONDS, requiredClaims: ['sub', 'iat', 'exp'] });
      return lastsTooLong(payload) ? undefined : { provider, claims: payload };
    } catch (error) {
      if (isUnavailable(error)) return problem('DEPENDENCY_DOWN', 'the keys of the identity provider cannot be had');
      return undefined;
    }
  }

  /** Discovery is asked until it answers once. */
  private keysOf(provider: IdentityProvider): Promise<JWTVerifyGetKey> {
    const known = this.keySets.get(provider.issuer);
    if (known !== undefined) return known;
    const found = keySetOf(provider);
    this.keySets.set(provider.issuer, found);
    found.catch(() => this.keySets.delete(provider.issuer));
    return found;
  }
}

const issuerIn = (token: string): string | undefined => {
  try {
    return decodeJwt(token).iss;
  } catch {
    return undefined;
  }
};

const lastsTooLong = ({ iat = 0, exp = Number.POSITIVE_INFINITY }: JWTPayload): boolean => exp - iat > MAX_LIFETIME_SECONDS;

/** The provider, and not the token, is at fault: no answer, or an answer that is no key set. */
const isUnavailable = (error: unknown): boolean =>
  !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC';

const keySetOf = async ({ issuer, jwksUri }: IdentityProvider): Promise<JWTVerifyGetKey> =>
  createRemoteJWKSet(new URL(jwksUri ?? (await discoveredKeys(issuer))), { timeoutDuration: FETCH_TIMEOUT_MS, cooldownDuration: KEYS_COOLDOWN_MS, cacheMaxAge: KEYS_MAX_AGE_MS });

/** `jwks_uri` of the provider's own metadata (OpenID Connect Discovery 1.0, section 4). @throws Problem DEPENDENCY_DOWN */
const discoveredKeys = async (issuer: string): Promise<string> => {
  const document = await metadataOf(issuer).catch(() => problem('DEPENDENCY_DOWN', 'the identity provider does not answer'));
  const { issuer: claimed, jwks_uri: uri } = document as { readonly issuer?: unknown; readonly jwks_uri?: unknown };
  // Keys come over TLS whenever the issuer itself does.
  const isSafe = typeof uri === 'string' && URL.canParse(uri) && (new URL(uri).protocol === 'https:' || new URL(issuer).protocol === 'http:');
  if (claimed !== issuer || !isSafe) return problem('DEPENDENCY_DOWN', 'the identity provider describes itself as another');
  return uri;
};

const metadataOf = async (issuer: string): Promise<object> => {
  const response = await fetch(`${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`, { redirect: 'error', signal: AbortSignal.timeout(FETCH_TIMEOUT_MS), headers: { accept: 'application/json' } });
  if (!response.ok) throw new Error(`discovery answered ${response.status}`);
  const body = await response.text();
  if (body.length > MAX_DOCUMENT_BYTES) throw new Error('discovery answered too much');
  const document: unknown = JSON.parse(body);
  if (typeof document !== 'object' || document === null) throw new Error('discovery answered no object');
  return document;
};
