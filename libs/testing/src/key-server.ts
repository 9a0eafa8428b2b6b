import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';

interface ProviderKey {
  readonly kid: string;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
}

/** The part of an identity provider that verifying tokens needs: discovery, a key set, and the keys to sign with. */
export class KeyServer {
  issuer = '';
  fetches = 0;
  /** answers 503 while true */
  down = false;
  private served: ProviderKey[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<KeyServer> {
    const server = createServer();
    const keys = new KeyServer(server);
    server.on('request', (request, response) => {
      const path = request.url ?? '';
      if (keys.down) return response.writeHead(503).end();
      response.setHeader('content-type', 'application/json');
      if (path === '/.well-known/openid-configuration') return response.end(JSON.stringify({ issuer: keys.issuer, jwks_uri: `${keys.issuer}/jwks` }));
      keys.fetches += 1;
      return response.end(JSON.stringify({ keys: keys.served.map(({ publicJwk, kid }) => ({ ...publicJwk, kid, use: 'sig' })) }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    keys.issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    await keys.rotate('first');
    return keys;
  }

  /** From here on this key signs; what signed before is no longer in the set. */
  async rotate(kid: string, alg = 'ES256'): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true });
    this.served = [{ kid, privateKey, publicJwk: { ...(await exportJWK(publicKey)), alg } }];
  }

  get publicJwk(): JWK {
    return this.served[0]?.publicJwk ?? {};
  }

  /** An access token for `audience` that lasts five minutes; `claims` win over all of it. */
  token(claims: Readonly<Record<string, unknown>>, { audience = 'https://api.example', alg = 'ES256' } = {}): Promise<string> {
    const key = this.served[0];
    if (key === undefined) throw new Error('no key is served');
    const now = Math.floor(Date.now() / 1_000);
    return new SignJWT({ iss: this.issuer, aud: audience, iat: now, exp: now + 300, ...claims }).setProtectedHeader({ alg, kid: key.kid, typ: 'at+jwt' }).sign(key.privateKey);
  }

  stop(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}
