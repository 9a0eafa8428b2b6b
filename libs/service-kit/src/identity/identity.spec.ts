import { generateSigningKey } from '@exequatur/audit-chain';
import { SERVICES, type ServiceName } from '@exequatur/contracts';
import type { Clock } from '@exequatur/kernel';
import { describe, expect, test } from '@jest/globals';
import { SignJWT, importJWK } from 'jose';
import { Problem } from '../problem/problem.js';
import { isAllowed, type Selector } from './allow.js';
import { Authentication, serviceToken, SERVICE_TOKEN } from './authentication.js';
import { Directory } from './directory.js';
import type { Principal } from './principal.js';
import { ProviderTokens } from './provider-tokens.js';
import { RateLimit } from './rate-limit.js';
import { Signer, TokenRefused } from './signer.js';

const keys = Object.fromEntries(SERVICES.map((service) => [service, generateSigningKey(service)])) as Record<ServiceName, ReturnType<typeof generateSigningKey>>;
const trusted = Object.fromEntries(SERVICES.map((service) => [service, [{ kid: keys[service].kid, jwk: keys[service].publicJwk }]]));
const signerOf = (service: ServiceName): Signer => new Signer(service, keys[service].privateJwk, trusted);

describe('Signer', () => {
  test('what one service signs another verifies, by type and audience', async () => {
    const token = signerOf('approvals').signJws({ aud: 'x', grant_id: 'g' }, 'exq-grant+jwt');
    await expect(signerOf('reservations').verifyJws(token, { service: 'approvals', typ: 'exq-grant+jwt', judgeTime: false })).resolves.toEqual({ aud: 'x', grant_id: 'g' });
  });

  test('invariant 12: the key of one service signs for no other', async () => {
    const token = signerOf('executor').signJws({ grant_id: 'g' }, 'exq-grant+jwt');
    await expect(signerOf('reservations').verifyJws(token, { service: 'approvals', typ: 'exq-grant+jwt' })).rejects.toThrow(TokenRefused);
  });

  test.each([[true], [false]])('another type, another audience, changed claims: refused (times judged: %s)', async (judgeTime) => {
    const signer = signerOf('policy');
    const token = signer.signJws({ aud: 'x', n: 1 }, 'a+jwt');
    const [head, , signature] = token.split('.');
    const forged = `${head}.${Buffer.from('{"aud":"x","n":2}').toString('base64url')}.${signature}`;
    const expected = { service: 'policy', typ: 'a+jwt', audience: 'x', judgeTime } as const;
    await expect(signer.verifyJws(token, { ...expected, typ: 'b+jwt' })).rejects.toThrow(TokenRefused);
    await expect(signer.verifyJws(token, { ...expected, audience: 'y' })).rejects.toThrow(TokenRefused);
    await expect(signer.verifyJws(forged, expected)).rejects.toThrow(TokenRefused);
    await expect(signer.verifyJws('not.a.token', expected)).rejects.toThrow(TokenRefused);
    await expect(signer.verifyJws(token, expected)).resolves.toMatchObject({ n: 1 });
  });

  test('a key in the token itself is never used', async () => {
    const stranger = generateSigningKey('stranger');
    const token = await new SignJWT({ a: 1 }).setProtectedHeader({ alg: 'EdDSA', typ: 'a+jwt', kid: keys.policy.kid, jwk: { ...stranger.publicJwk } }).sign(await importJWK({ ...stranger.privateJwk }, 'EdDSA'));
    await expect(signerOf('policy').verifyJws(token, { service: 'policy', typ: 'a+jwt' })).rejects.toThrow(TokenRefused);
  });

  test('expired is refused where time is judged', async () => {
    const signer = signerOf('policy');
    const token = signer.signJws({ exp: 1_000 }, 'a+jwt');
    await expect(signer.verifyJws(token, { service: 'policy', typ: 'a+jwt' })).rejects.toThrow('ERR_JWT_EXPIRED');
    await expect(signer.verifyJws(token, { service: 'policy', typ: 'a+jwt', judgeTime: false })).resolves.toEqual({ exp: 1_000 });
  });

  test('a key that nobody has pinned is refused at start; the private part is in no key set', () => {
    expect(() => new Signer('policy', generateSigningKey('policy').privateJwk, trusted)).toThrow('not among EXEQUATUR_TRUSTED_KEYS');
    expect(JSON.stringify(signerOf('policy').jwks())).not.toContain(keys.policy.privateJwk.d);
  });
});

describe('service tokens', () => {
  const nobody: Clock = { now: () => 0, monotonic: () => 0 };
  const directory = new Directory({ query: () => Promise.reject(new Error('no query expected')) }, nobody);
  const at = (service: ServiceName): Authentication => new Authentication(directory, signerOf(service), new ProviderTokens([]));

  test('name the service that made them, to the one they are for', async () => {
    const token = serviceToken(signerOf('executor'), 'reservations', Date.now());
    await expect(at('reservations').principalOf(`Bearer ${token}`)).resolves.toEqual({ type: 'service', service: 'executor' });
    await expect(at('approvals').principalOf(`Bearer ${token}`)).resolves.toBeUndefined();
  });

  test.each([
    ['lasting longer than 60 s', { iat: 0, exp: 9_999_999_999 }],
    ['without an end', {}],
    ['expired', { iat: 1_000, exp: 1_060 }],
  ])('%s: not authenticated', async (_what, times) => {
    const token = signerOf('executor').signJws({ iss: 'executor', aud: 'reservations', ...times }, SERVICE_TOKEN);
    await expect(at('reservations').principalOf(`Bearer ${token}`)).resolves.toBeUndefined();
  });

  test.each([undefined, '', 'Bearer', 'Basic YTpi', 'Bearer a.b.c', 'Bearer ..', 'Bearer  two', `Bearer ${'x'.repeat(5_000)}`])('%s: not authenticated', async (authorization) => {
    await expect(at('policy').principalOf(authorization)).resolves.toBeUndefined();
  });

  test('a grant is no service token', async () => {
    const token = signerOf('executor').signJws({ iss: 'executor', aud: 'reservations', iat: Math.floor(Date.now() / 1_000), exp: Math.floor(Date.now() / 1_000) + 30 }, 'exq-grant+jwt');
    await expect(at('reservations').principalOf(`Bearer ${token}`)).resolves.toBeUndefined();
  });
});

describe('who is allowed', () => {
  const agent: Principal = { type: 'agent', tenant: 'acme', id: 'a', scopePrefix: 'tenant:acme', keyId: 'k' };
  const person: Principal = { type: 'person', tenant: 'acme', id: 'p', roles: ['approver', 'finance'] };
  const executor: Principal = { type: 'service', service: 'executor' };
  test.each<[Selector[], Principal, boolean]>([
    [['agent'], agent, true],
    [['person'], agent, false],
    [['person'], person, true],
    [['person:approver'], person, true],
    [['person:admin'], person, false],
    [['person:agent', 'service:policy'], person, false],
    [['service:executor'], executor, true],
    [['service:policy'], executor, false],
    [['agent', 'person'], { type: 'root' }, false],
    [['root'], { type: 'root' }, true],
    [[], person, false],
  ])('%j, %j: %s', (selectors, principal, allowed) => {
    expect(isAllowed(selectors, principal)).toBe(allowed);
  });
});

describe('rate limit', () => {
  test('a burst of two seconds, then as many as time gives, each principal for itself', () => {
    let now = 0;
    const limit = new RateLimit(2, { now: () => 0, monotonic: () => now });
    const take = (who: string): string => {
      try {
        limit.take(who);
        return 'passed';
      } catch (error) {
        return error instanceof Problem ? `${error.code} ${error.retryAfterSeconds}` : 'broken';
      }
    };
    expect([1, 2, 3, 4, 5].map(() => take('a'))).toEqual(['passed', 'passed', 'passed', 'passed', 'BUSY 1']);
    expect(take('b')).toBe('passed');
    now = 500;
    expect([take('a'), take('a')]).toEqual(['passed', 'BUSY 1']);
  });
});
