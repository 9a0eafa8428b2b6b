import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AccountLinked, AccountUnlinked, AgentKeyIssued, AgentKeyRevoked, AgentRegistered, PersonLinked } from '@exequatur/contracts';
import type { Clock } from '@exequatur/kernel';
import type { TrustedKeys } from '@exequatur/audit-chain';
import { KeyServer, PATIENCE_MS, startTestPostgres, type TestPostgres } from '@exequatur/testing';
import pg from 'pg';
import { directoryEvent } from '../spec/test-credentials.js';
import { testInstallation } from '../spec/test-installation.js';
import { accountsDdl } from './directory-accounts.migration.js';
import { directoryDdl } from './directory-ddl.js';
import { Authentication } from './authentication.js';
import { clientHash, Directory } from './directory.js';
import { readIdentityProviders } from './identity-provider.js';
import { ProviderTokens } from './provider-tokens.js';
import { projectDirectory } from './project-directory.js';
import { Signer } from './signer.js';

const encoded = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Access tokens of an identity provider, judged against a directory in PostgreSQL. */
describe('accounts of an identity provider', () => {
  let postgres: TestPostgres;
  let pool: pg.Pool;
  let provider: KeyServer;
  let signer: Signer;
  let directory: Directory;
  const clock: Clock = { now: () => Date.now(), monotonic: () => performance.now() };

  const authentication = (more: object = {}): Authentication => {
    const written = [{ issuer: provider.issuer, name: 'Acme', tenant: 'acme', audience: 'https://api.example', sign_in: { client_id: 'pages' }, ...more }];
    return new Authentication(directory, signer, new ProviderTokens(readIdentityProviders(JSON.stringify(written))));
  };
  const whoIs = async (claims: Readonly<Record<string, unknown>>, more: object = {}, options = {}): Promise<unknown> => authentication(more).principalOf(`Bearer ${await provider.token(claims, options)}`);
  const record = (definition: Parameters<typeof directoryEvent>[0], data: object, tenant = 'acme'): Promise<void> => projectDirectory(pool, directoryEvent(definition, tenant, data));

  beforeAll(async () => {
    postgres = await startTestPostgres();
    provider = await KeyServer.start();
    const installation = await testInstallation(postgres);
    const { secrets } = installation;
    signer = new Signer('policy', JSON.parse(secrets.signingKeys.policy), JSON.parse(secrets.trustedKeys) as TrustedKeys);
    pool = new pg.Pool({ connectionString: (await postgres.createDatabase()).url, max: 2 });
    pool.on('error', () => undefined);
    await pool.query(directoryDdl());
    // Somebody who was linked before accounts had a table of their own.
    await pool.query("INSERT INTO directory_person (tenant, person, subject, roles) VALUES ('acme', 'early', 'x#early', '{}')");
    await pool.query(accountsDdl());
    directory = new Directory(pool, clock);
    await record(PersonLinked, { person: 'alice', subject: `${provider.issuer}#u1`, roles: ['approver', 'finance'] });
    await record(AgentRegistered, { agent: 'bot', display_name: 'Bot', owner: 'olga', scope_prefix: 'tenant:acme' });
    await record(AgentKeyIssued, { agent: 'bot', key_id: 'sso', key_hash: clientHash(`${provider.issuer}#bot-client`), subject: `${provider.issuer}#bot-client` });
  });
  afterAll(async () => {
    await pool.end();
    await provider.stop();
    await postgres.stop();
  });

  const ALICE = { type: 'person', tenant: 'acme', id: 'alice', roles: ['approver', 'finance'] };
  const BOT = { type: 'agent', tenant: 'acme', id: 'bot', scopePrefix: 'tenant:acme', keyId: 'sso', owner: 'olga' };

  test('a person by issuer and sub, with when they signed in; an agent by its client', async () => {
    expect(await whoIs({ sub: 'u1', auth_time: 1_700_000_000 })).toEqual({ ...ALICE, authTime: 1_700_000_000 });
    expect(await whoIs({ sub: 'bot-client', client_id: 'bot-client' })).toEqual(BOT);
    expect(await whoIs({ sub: 'u2' })).toBeUndefined();
    expect((await pool.query("SELECT person FROM directory_account WHERE subject = 'x#early'")).rows).toEqual([{ person: 'early' }]);
  });

  test.each<[string, Record<string, unknown>, object]>([
    ['wrong audience', {}, { audience: 'https://other.example' }],
    ['an id token of our own pages', {}, { audience: 'pages' }],
    ['wrong issuer', { iss: 'https://elsewhere.example' }, {}],
    ['the issuer with a slash more', {}, { slash: true }],
    ['expired', { iat: 1_000, exp: 1_060 }, {}],
    ['not yet valid', { nbf: 9_999_999_999 }, {}],
    ['without an end', { exp: undefined }, {}],
    ['lasting for years', { exp: 9_999_999_999 }, {}],
    ['without a subject', { sub: undefined }, {}],
    ['a subject that is no text', { sub: 7 }, {}],
  ])('%s: not authenticated', async (_, claims, options) => {
    const issuer = 'slash' in options ? { iss: `${provider.issuer}/` } : {};
    expect(await whoIs({ sub: 'u1', ...claims, ...issuer }, {}, options)).toBeUndefined();
  });

  test('a token nobody signed, one signed with the public key as a secret, and one whose claims were changed: not authenticated', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const claims = { iss: provider.issuer, aud: 'https://api.example', sub: 'u1', iat: now, exp: now + 60 };
    const unsigned = `${encoded({ alg: 'none' })}.${encoded(claims)}.`;
    const head = `${encoded({ alg: 'HS256', kid: 'first' })}.${encoded(claims)}`;
    const confused = `${head}.${createHmac('sha256', JSON.stringify(provider.publicJwk)).update(head).digest('base64url')}`;
    const [protectedHeader, , signature] = (await provider.token({ sub: 'u1' })).split('.');
    for (const token of [unsigned, confused, `${protectedHeader}.${encoded({ ...claims, sub: 'bot-client' })}.${signature}`]) expect(await authentication().principalOf(`Bearer ${token}`)).toBeUndefined();
  });

  test('a key that came after the last look is fetched; one that left the set stops counting; made-up keys cost no fetch each', async () => {
    const known = authentication();
    const old = await provider.token({ sub: 'u1' });
    expect(await known.principalOf(`Bearer ${old}`)).toEqual(ALICE);
    await provider.rotate('second', 'PS256');
    const fresh = await provider.token({ sub: 'u1' }, { alg: 'PS256' });
    const deadline = performance.now() + PATIENCE_MS;
    while ((await known.principalOf(`Bearer ${fresh}`)) === undefined && performance.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(await known.principalOf(`Bearer ${fresh}`)).toEqual(ALICE);
    expect(await known.principalOf(`Bearer ${old}`)).toBeUndefined();
    const before = provider.fetches;
    await Promise.all(Array.from({ length: 50 }, () => known.principalOf(`Bearer ${old}`)));
    expect(provider.fetches - before).toBeLessThan(5);
    await provider.rotate('third');
  });

  test('while the provider gives no keys, nobody is believed and the answer says to come back', async () => {
    const token = await provider.token({ sub: 'u1' });
    provider.down = true;
    try {
      await expect(authentication().principalOf(`Bearer ${token}`)).rejects.toMatchObject({ code: 'DEPENDENCY_DOWN' });
      await expect(authentication({ jwks_uri: `${provider.issuer}/jwks` }).principalOf(`Bearer ${token}`)).rejects.toMatchObject({ code: 'DEPENDENCY_DOWN' });
    } finally {
      provider.down = false;
    }
    expect(await authentication().principalOf(`Bearer ${token}`)).toEqual(ALICE);
  });

  describe('invariant 12: a program is never a person', () => {
    test('an agent that acts for a person is the agent, and its chain is known', async () => {
      expect(await whoIs({ sub: 'u1', act: { sub: 'bot-client' } })).toEqual({ ...BOT, chain: [`${provider.issuer}#u1`] });
      expect(await whoIs({ sub: 'u1', act: { sub: 'bot-client', act: { sub: 'planner' } } })).toEqual({ ...BOT, chain: [`${provider.issuer}#planner`, `${provider.issuer}#u1`] });
    });

    test.each<[string, unknown]>([
      ['an actor nobody registered', { sub: 'stranger' }],
      ['a person who acts for another', { sub: 'u1' }],
      ['an actor without a name', {}],
      ['an actor that is a text', 'bot-client'],
      ['no actor at all, but the claim', null],
      ['an actor of another issuer', { iss: 'https://elsewhere.example', sub: 'bot-client' }],
      ['a chain too long', { sub: 'bot-client', act: { sub: 'a', act: { sub: 'b', act: { sub: 'c', act: { sub: 'd', act: { sub: 'e' } } } } } }],
    ])('%s: not authenticated', async (_, act) => {
      expect(await whoIs({ sub: 'u1', act })).toBeUndefined();
    });

    test('an account that is a person’s and an agent’s is nobody’s', async () => {
      await record(PersonLinked, { person: 'both', subject: `${provider.issuer}#both`, roles: ['approver'] });
      await record(AgentKeyIssued, { agent: 'bot', key_id: 'both', key_hash: clientHash(`${provider.issuer}#both`) });
      expect(await whoIs({ sub: 'both' })).toBeUndefined();
      await record(AgentKeyRevoked, { agent: 'bot', key_id: 'both' });
      expect(await whoIs({ sub: 'both' })).toMatchObject({ type: 'person', id: 'both' });
    });

    test('a token for another client is not taken where clients are named', async () => {
      expect(await whoIs({ sub: 'u1', client_id: 'agent-tool' }, { clients: ['cli'] })).toBeUndefined();
      expect(await whoIs({ sub: 'u1' }, { clients: ['cli'] })).toBeUndefined();
      expect(await whoIs({ sub: 'u1', azp: 'cli' }, { clients: ['cli'] })).toEqual(ALICE);
    });
  });

  test('invariant 11: two accounts that are linked are one person, until one is unlinked', async () => {
    await record(AccountLinked, { person: 'alice', subject: `${provider.issuer}#u1-private` });
    expect(await whoIs({ sub: 'u1-private' })).toEqual(ALICE);
    await record(AccountUnlinked, { person: 'alice', subject: `${provider.issuer}#u1-private` });
    expect(await whoIs({ sub: 'u1-private' })).toBeUndefined();
    expect(await whoIs({ sub: 'u1' })).toEqual(ALICE);
  });

  test('invariant 18: the tenant comes from the provider, not from whoever else linked the account', async () => {
    await record(PersonLinked, { person: 'mallory', subject: `${provider.issuer}#u1`, roles: ['admin'] }, 'globex');
    expect(await whoIs({ sub: 'u1' })).toEqual(ALICE);
    const byClaim = { tenant: undefined, tenant_claim: 'org', tenants: { o1: 'acme', o2: 'globex' } };
    expect(await whoIs({ sub: 'u1', org: 'o1' }, byClaim)).toEqual(ALICE);
    expect(await whoIs({ sub: 'u1', org: 'o2' }, byClaim)).toMatchObject({ tenant: 'globex', id: 'mallory' });
    for (const org of ['acme', 'constructor', undefined, ['o1']]) expect(await whoIs({ sub: 'u1', org }, byClaim)).toBeUndefined();
  });

  test('where claims decide, a role counts when token and directory both have it', async () => {
    const people = { name_claim: 'preferred_username', roles_claim: '/access/groups', roles: { leads: ['approver', 'admin'], money: ['finance'] } };
    const roles = async (groups: unknown): Promise<unknown> => ((await whoIs({ sub: 'u1', access: { groups } }, { people })) as { roles: string[] }).roles;
    expect(await roles(['leads', 'money', 'other', 7])).toEqual(['approver', 'finance']);
    expect(await roles('money')).toEqual(['finance']);
    for (const nothing of [[], ['constructor', '__proto__'], {}, undefined]) expect(await roles(nothing)).toEqual([]);
  });
});

describe('EXEQUATUR_IDENTITY_PROVIDERS', () => {
  const read = (provider: object): (() => unknown) => () => readIdentityProviders(JSON.stringify([{ issuer: 'https://id.example', name: 'Acme', tenant: 'acme', audience: 'api', ...provider }]));

  test('none, and one', () => {
    expect(readIdentityProviders(undefined)).toEqual([]);
    expect(read({ sign_in: { client_id: 'pages', client_secret: 's' } })()).toEqual([{ issuer: 'https://id.example', name: 'Acme', tenant: { fixed: 'acme' }, audience: 'api', signIn: { clientId: 'pages', clientSecret: 's', scope: 'openid profile' } }]);
  });

  test.each<[string, object, string]>([
    ['clear text to another machine', { issuer: 'http://id.example' }, 'issuer must be an https address'],
    ['an issuer with a fragment', { issuer: 'https://id.example/#a' }, 'issuer must be an https address'],
    ['keys in clear text', { jwks_uri: 'http://id.example/jwks' }, 'jwks_uri must be an https address'],
    ['no tenant', { tenant: undefined }, 'either tenant or tenant_claim'],
    ['two ways to a tenant', { tenant_claim: 'org', tenants: {} }, 'either tenant or tenant_claim'],
    ['a claim without its meaning', { tenant: undefined, tenant_claim: 'org' }, 'needs tenants'],
    ['id tokens on the API', { sign_in: { client_id: 'api' } }, 'audience must not be the client_id'],
    ['nothing to do', { audience: undefined }, 'needs audience'],
    ['a field that is none', { secret: 'hunter2' }, '/0/secret must be no such field'],
  ])('refused: %s', (_, provider, message) => {
    expect(read(provider)).toThrow(message);
    expect(read(provider)).not.toThrow('hunter2');
  });

  test('not JSON: the text is not shown', () => {
    expect(() => readIdentityProviders('hunter2')).toThrow('EXEQUATUR_IDENTITY_PROVIDERS must be JSON');
    expect(() => readIdentityProviders('hunter2')).not.toThrow('hunter2');
  });
});
