import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, importJWK, SignJWT, decodeJwt, type JWK } from 'jose';
import Provider from 'oidc-provider';

export const PAGES = { client_id: 'exequatur-pages', client_secret: 'a secret of the pages' };
export const AGENT = { client_id: 'agent-client', client_secret: 'a secret of the agent' };
export const API = 'https://exequatur.example/api';

/** Groups by account; anyone may sign in, as the provider's development pages let them. */
const GROUPS: Readonly<Record<string, readonly string[]>> = { fiona: ['finance'], georg: ['finance', 'leads'], stranger: ['gardening'] };

/** `oidc-provider` (certified OpenID provider) on this machine, as an organisation would have one. */
export class IdentityProvider {
  /** its id tokens are made for somebody else while true */
  wrongAudience = false;
  private listener: RequestListener = (_, response) => response.writeHead(503).end();
  private key: JWK = {};

  private constructor(
    private readonly server: Server,
    readonly issuer: string,
    private readonly origin: string,
  ) {}

  /** @param origin of the pages that people come back to */
  static async start(origin: string): Promise<IdentityProvider> {
    const server = createServer((request, response) => provider.listener(request, response));
    // Another host than the pages', so that browsers take it for another site.
    await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
    const provider = new IdentityProvider(server, `http://localhost:${(server.address() as AddressInfo).port}`, origin);
    await provider.rotate('first');
    return provider;
  }

  /** From here on it signs with another key, and no longer publishes the one before. */
  async rotate(kid: string): Promise<void> {
    const { privateKey } = await generateKeyPair('RS256', { extractable: true });
    this.key = { ...(await exportJWK(privateKey)), kid, alg: 'RS256', use: 'sig' };
    const provider = new Provider(this.issuer, this.configuration());
    provider.use(async (context, next) => {
      await next();
      if (context.path === '/token' && this.wrongAudience) context.body = await this.madeForAnother(context.body);
    });
    this.listener = (request, response) => void provider.callback()(request, response);
  }

  /** OAuth client credentials (RFC 6749, section 4.4) for a resource (RFC 8707). */
  async agentToken(resource = API): Promise<string> {
    const response = await fetch(`${this.issuer}/token`, {
      method: 'POST',
      headers: { authorization: `Basic ${Buffer.from(`${encodeURIComponent(AGENT.client_id)}:${encodeURIComponent(AGENT.client_secret)}`).toString('base64')}`, 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({ grant_type: 'client_credentials', resource, scope: 'use' }).toString(),
    });
    const answer = (await response.json()) as { readonly access_token?: string };
    if (answer.access_token === undefined) throw new Error(`no access token: ${JSON.stringify(answer)}`);
    return answer.access_token;
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }

  private async madeForAnother(body: unknown): Promise<unknown> {
    const answer = body as { readonly id_token?: string };
    if (answer.id_token === undefined) return body;
    const claims = { ...decodeJwt(answer.id_token), aud: 'somebody-else' };
    return { ...answer, id_token: await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: this.key.kid ?? '' }).sign(await importJWK(this.key, 'RS256')) };
  }

  private configuration(): object {
    return {
      jwks: { keys: [this.key] },
      cookies: { keys: ['a key of the test'] },
      clients: [
        { ...PAGES, redirect_uris: [`${this.origin}/login/callback`], post_logout_redirect_uris: [`${this.origin}/login`], response_types: ['code'], grant_types: ['authorization_code'] },
        { ...AGENT, redirect_uris: [], response_types: [], grant_types: ['client_credentials'] },
      ],
      claims: { openid: ['sub'], profile: ['preferred_username', 'groups'] },
      conformIdTokenClaims: false,
      findAccount: (_: unknown, id: string) => ({ accountId: id, claims: () => ({ sub: id, preferred_username: id, groups: GROUPS[id] ?? [] }) }),
      features: {
        clientCredentials: { enabled: true },
        resourceIndicators: {
          enabled: true,
          defaultResource: () => undefined,
          getResourceServerInfo: (_: unknown, resource: string) => ({ scope: 'use', audience: resource, accessTokenFormat: 'jwt', accessTokenTTL: 300, jwt: { sign: { alg: 'RS256' } } }),
        },
      },
    };
  }
}
