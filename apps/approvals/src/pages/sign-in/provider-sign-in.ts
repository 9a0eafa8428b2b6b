import { Inject, Injectable } from '@nestjs/common';
import type { Clock } from '@exequatur/kernel';
import { CLOCK, problem, ProviderTokens, type IdentityProvider, type ProvenToken } from '@exequatur/service-kit';
import * as oidc from 'openid-client';
import { ApprovalsConfig } from '../../approvals-config.js';
import { APPROVAL_LIMITS } from '../../limits.js';
import type { SignInTicket } from './sign-in-tickets.js';

/** A provider's metadata is asked for again after this. */
const METADATA_MS = 10 * 60_000;
/** Between the provider's clock and ours. */
const CLOCK_TOLERANCE_SECONDS = 60;

type SigningIn = IdentityProvider & { readonly signIn: NonNullable<IdentityProvider['signIn']> };

/** Coming back did not prove who it is. The reason is for the log. */
export class SignInRefused extends Error {
  override readonly name = 'SignInRefused';
}

export interface ComeBack {
  readonly idToken: string;
  readonly proven: ProvenToken;
}

/** The authorization code flow with PKCE (OpenID Connect Core 3.1, RFC 7636, RFC 9207) at the providers an installation trusts. */
@Injectable()
export class ProviderSignIn {
  readonly providers: readonly SigningIn[];
  private readonly clients = new Map<string, { readonly at: number; readonly client: Promise<oidc.Configuration> }>();

  constructor(
    private readonly config: ApprovalsConfig,
    private readonly tokens: ProviderTokens,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {
    this.providers = tokens.providers.filter((provider): provider is SigningIn => provider.signIn !== undefined);
  }

  /** Where to send the visitor, and what to remember meanwhile. @throws Problem DEPENDENCY_DOWN */
  async leave(provider: SigningIn, next: string, fresh: boolean): Promise<{ readonly url: string; readonly ticket: SignInTicket }> {
    const client = await this.clientOf(provider);
    const ticket = { issuer: provider.issuer, state: oidc.randomState(), nonce: oidc.randomNonce(), verifier: oidc.randomPKCECodeVerifier(), next, fresh, begunAt: this.clock.now() };
    const url = oidc.buildAuthorizationUrl(client, {
      redirect_uri: this.redirectUri,
      scope: provider.signIn.scope,
      state: ticket.state,
      nonce: ticket.nonce,
      code_challenge: await oidc.calculatePKCECodeChallenge(ticket.verifier),
      code_challenge_method: 'S256',
      // With max_age the provider must say when the person signed in there (OpenID Connect Core 2, auth_time).
      max_age: String(APPROVAL_LIMITS.sessionSeconds),
      ...(fresh ? { prompt: 'login' } : {}),
    });
    return { url: url.href, ticket };
  }

  /** @param url path and query of the callback @throws SignInRefused; Problem DEPENDENCY_DOWN while the provider's keys cannot be had */
  async comeBack(ticket: SignInTicket, url: string): Promise<ComeBack> {
    const provider = this.providers.find(({ issuer }) => issuer === ticket.issuer) ?? refuse('the provider is not configured any more');
    const client = await this.clientOf(provider);
    const checks = { expectedState: ticket.state, expectedNonce: ticket.nonce, pkceCodeVerifier: ticket.verifier, idTokenExpected: true, maxAge: APPROVAL_LIMITS.sessionSeconds };
    const answer = await oidc.authorizationCodeGrant(client, new URL(url, this.config.PUBLIC_URL), checks).catch((error: unknown) => refuse(reasonOf(error)));
    const idToken = answer.id_token ?? refuse('no id token');
    // Once more, with the signature: it is what policy and the session are made of.
    const proven = (await this.tokens.idToken(idToken)) ?? refuse('the id token does not hold');
    const authTime = proven.claims.auth_time;
    if (ticket.fresh && !(typeof authTime === 'number' && authTime >= ticket.begunAt / 1_000 - CLOCK_TOLERANCE_SECONDS)) refuse('the provider did not ask again');
    return { idToken, proven };
  }

  /** Where signing out goes on at the provider; undefined where it offers none. */
  async end(provider: SigningIn): Promise<string | undefined> {
    const client = await this.clientOf(provider);
    return client.serverMetadata().end_session_endpoint === undefined ? undefined : oidc.buildEndSessionUrl(client, { post_logout_redirect_uri: `${this.config.PUBLIC_URL}/login` }).href;
  }

  private get redirectUri(): string {
    return `${this.config.PUBLIC_URL}/login/callback`;
  }

  private clientOf(provider: SigningIn): Promise<oidc.Configuration> {
    const known = this.clients.get(provider.issuer);
    if (known !== undefined && this.clock.monotonic() - known.at < METADATA_MS) return known.client;
    const client = clientAt(provider);
    this.clients.set(provider.issuer, { at: this.clock.monotonic(), client });
    client.catch(() => this.clients.delete(provider.issuer));
    return client.catch(() => problem('DEPENDENCY_DOWN', 'the identity provider does not answer'));
  }
}

const clientAt = async ({ issuer, signIn: { clientId, clientSecret } }: SigningIn): Promise<oidc.Configuration> => {
  // Only for a provider on this machine; the configuration allows no other without TLS.
  const insecure = issuer.startsWith('http:') ? { execute: [oidc.allowInsecureRequests] } : {};
  const found = await oidc.discovery(new URL(issuer), clientId, undefined, oidc.None(), { timeout: APPROVAL_LIMITS.identityMs / 1_000, ...insecure });
  const server = found.serverMetadata();
  const client = new oidc.Configuration(server, clientId, {}, authenticationAt(server, clientSecret));
  client.timeout = APPROVAL_LIMITS.identityMs / 1_000;
  if (issuer.startsWith('http:')) oidc.allowInsecureRequests(client);
  return client;
};

/** Basic is what every provider takes unless it says otherwise (OpenID Connect Discovery 3). */
const authenticationAt = ({ token_endpoint_auth_methods_supported: methods = ['client_secret_basic'] }: oidc.ServerMetadata, secret: string | undefined): oidc.ClientAuth => {
  if (secret === undefined) return oidc.None();
  return methods.includes('client_secret_basic') ? oidc.ClientSecretBasic(secret) : oidc.ClientSecretPost(secret);
};

const refuse = (reason: string): never => {
  throw new SignInRefused(reason);
};

/** Names of checks and of OAuth errors; no token, no code. */
const reasonOf = (error: unknown): string => {
  const { name, code, error: said } = error as { readonly name?: unknown; readonly code?: unknown; readonly error?: unknown };
  return [name, code, said].filter((part): part is string => typeof part === 'string' && /^[\w .-]{1,80}$/.test(part)).join(' ');
};
