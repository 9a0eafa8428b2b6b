import { generateKeyPairSync, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Authorization } from '@exequatur/contracts';
import { canonicalBytes, newId, newSalt, saltedHash, toInstant } from '@exequatur/kernel';
import type { Clock, JsonValue } from '@exequatur/kernel';
import type { ToolCall } from '../authorization-verifier.js';

const encoded = (part: unknown): string => Buffer.from(JSON.stringify(part), 'utf8').toString('base64url');

export interface TestKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwk: Readonly<Record<string, unknown>>;
}

export const testKey = (kid: string): TestKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { kid, privateKey, jwk: { ...publicKey.export({ format: 'jwk' }), kid, alg: 'EdDSA', use: 'sig' } };
};

export const tokenOf = (key: TestKey, claims: object, header: object = {}): string => {
  const signed = `${encoded({ alg: 'EdDSA', typ: 'exq-authorization+jwt', kid: key.kid, ...header })}.${encoded(claims)}`;
  return `${signed}.${sign(null, Buffer.from(signed), key.privateKey).toString('base64url')}`;
};

export const TOOL = { name: 'mailer.send', version: '1.0' };
export const ARGUMENTS: JsonValue = { to: 'customer@example.com', text: 'Hello' };
export const SALT = newSalt();
export const argumentBytes = canonicalBytes(ARGUMENTS);
export const call: ToolCall = { tenant: 'acme', tool: TOOL, argumentBytes };

export class SettableClock implements Clock {
  constructor(public ms = Date.parse('2026-03-01T12:00:00.000Z')) {}
  now(): number {
    return this.ms;
  }
  monotonic(): number {
    return this.ms;
  }
}

/** What reservations signs: good for 10 s. */
export const claimsAt = (nowMs: number, changes: Partial<Authorization> = {}): Authorization => ({
  reservation_id: newId(),
  grant_id: newId(),
  action_id: newId(),
  use_no: 1,
  tenant: 'acme',
  tool: TOOL,
  aud: TOOL.name,
  granted_arguments_hash: saltedHash(SALT, argumentBytes),
  salt: SALT.toString('base64url'),
  caps: {},
  execute_by: toInstant(nowMs + 10_000),
  iat: Math.floor(nowMs / 1_000),
  exp: Math.ceil((nowMs + 10_000) / 1_000),
  ...changes,
});

/** A key set server: what it answers can be changed, and it counts. */
export class JwksServer {
  answer: () => { readonly status: number; readonly body: string; readonly headers?: Readonly<Record<string, string>> };
  requests = 0;
  private constructor(
    private readonly server: Server,
    keys: readonly TestKey[],
  ) {
    this.answer = () => ({ status: 200, body: JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }) });
  }

  static async start(...keys: readonly TestKey[]): Promise<JwksServer> {
    const server = createServer((_, response) => {
      here.requests += 1;
      const { status, body, headers = {} } = here.answer();
      response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
    });
    const here = new JwksServer(server, keys);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return here;
  }

  publish(...keys: readonly TestKey[]): void {
    this.answer = () => ({ status: 200, body: JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }) });
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/.well-known/jwks.json`;
  }

  stop(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => {
      this.server.close(() => resolve());
    });
  }
}
