import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { KeyServer, startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { examplePolicy, mailTo, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed, Reply } from '../spec/policy-bed.js';

describe('people of an identity provider', () => {
  let postgres: TestPostgres;
  let provider: KeyServer;
  let bed: PolicyBed;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    provider = await KeyServer.start();
    const people = { name_claim: 'preferred_username', roles_claim: 'groups', roles: { finance: ['approver', 'finance'], admins: ['admin'], policy: ['policy-admin'] } };
    const byClaim = { tenant_claim: 'org', tenants: { 'org-acme': 'acme', 'org-nowhere': 'nowhere' } };
    bed = await startPolicyBed((await postgres.createDatabase()).url, {
      EXEQUATUR_IDENTITY_PROVIDERS: JSON.stringify([{ issuer: provider.issuer, name: 'Acme', ...byClaim, audience: 'https://api.example', sign_in: { client_id: 'pages' }, people }]),
    });
    await bed.tenant('acme');
  });
  afterAll(async () => {
    await bed.close();
    await provider.stop();
    await postgres.stop();
  });

  const idToken = (sub: string, groups: unknown, more: object = {}): Promise<string> => provider.token({ sub, org: 'org-acme', preferred_username: sub, groups, ...more }, { audience: 'pages' });
  const accessToken = (sub: string, groups: unknown, more: object = {}): Promise<string> => provider.token({ sub, org: 'org-acme', groups, ...more });
  const signIn = (token: string): Promise<Reply> => bed.post('/v1/people/sign-in', { token }, 'nobody');
  const asRoot = (path: string, body: object): Promise<Reply> => bed.post(path, { tenant: 'acme', ...body }, bed.root);
  interface Recorded {
    readonly subject: string;
    readonly type: string;
    readonly sequence: string;
  }
  const recorded = async (): Promise<Recorded[]> => (await bed.database.query<{ bytes: Buffer }>('SELECT bytes FROM event')).rows.map(({ bytes }) => JSON.parse(bytes.toString('utf8')) as Recorded);
  /** Names of the events about a person, in their order. */
  const eventsOf = async (person: string): Promise<string[]> =>
    (await recorded()).filter(({ subject }) => subject === person).sort((one, other) => one.sequence.localeCompare(other.sequence)).map(({ type }) => type.split('.')[3] ?? '');

  test('first sign-in links, later ones change roles where the claims differ, and nothing is recorded where they do not', async () => {
    expect(await signIn(await idToken('fiona', ['finance']))).toMatchObject({ status: 200, body: { tenant: 'acme', person: 'fiona', roles: ['approver', 'finance'] } });
    expect((await signIn(await idToken('fiona', ['finance', 'unknown']))).status).toBe(200);
    expect(await eventsOf('fiona')).toEqual(['PersonLinked']);
    expect((await signIn(await idToken('fiona', ['admins']))).body).toMatchObject({ roles: ['admin'] });
    expect((await signIn(await accessToken('fiona', []))).body).toMatchObject({ roles: [] });
    expect(await eventsOf('fiona')).toEqual(['PersonLinked', 'EligibilityChanged', 'EligibilityChanged']);
  });

  test('signing in twice at once is one person', async () => {
    const replies = await Promise.all(Array.from({ length: 5 }, async () => signIn(await idToken('twin', ['finance']))));
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(await eventsOf('twin')).toEqual(['PersonLinked']);
  });

  test('invariant 11: a name that somebody has is not taken over by another account; an administrator links the two', async () => {
    await asRoot('/v1/people', { person: 'greta', subject: 'local#greta', roles: ['finance'] });
    expect(await signIn(await idToken('greta', ['finance']))).toMatchObject({ status: 409, body: { code: 'CONFLICT' } });
    const subject = `${provider.issuer}#greta`;
    expect(await asRoot('/v1/people/greta/accounts', { subject })).toMatchObject({ status: 200, body: { status: 'linked' } });
    expect(await asRoot('/v1/people/fiona/accounts', { subject })).toMatchObject({ status: 409 });
    expect(await signIn(await idToken('greta', ['finance']))).toMatchObject({ status: 200, body: { person: 'greta', roles: ['approver', 'finance'] } });
    expect((await bed.get('/v1/people?tenant=acme&limit=200', bed.root)).text).toContain(JSON.stringify([subject, 'local#greta'].sort()));
    expect(await asRoot('/v1/people/greta/accounts/unlink', { subject })).toMatchObject({ status: 200, body: { status: 'unlinked' } });
    expect(await asRoot('/v1/people/greta/accounts/unlink', { subject })).toMatchObject({ status: 404 });
    expect((await signIn(await idToken('greta', ['finance']))).status).toBe(409);
  });

  test.each<[string, () => Promise<string>, number, string]>([
    ['nobody’s token', () => Promise.resolve('a.b.c'), 401, 'UNAUTHENTICATED'],
    ['for another client', () => provider.token({ sub: 'x', org: 'org-acme', preferred_username: 'x', groups: ['finance'] }, { audience: 'other' }), 401, 'UNAUTHENTICATED'],
    ['expired', () => idToken('x', ['finance'], { iat: 1_000, exp: 1_100 }), 401, 'UNAUTHENTICATED'],
    ['of a program that acts for a person', () => accessToken('x', ['finance'], { act: { sub: 'bot' } }), 401, 'UNAUTHENTICATED'],
    ['of an unknown organisation', () => idToken('x', ['finance'], { org: 'acme' }), 401, 'UNAUTHENTICATED'],
    ['of a tenant that is not there', () => idToken('x', ['finance'], { org: 'org-nowhere' }), 403, 'FORBIDDEN'],
    ['without a role here', () => idToken('x', ['unknown']), 403, 'FORBIDDEN'],
    ['with a name that is none', () => idToken('x', ['finance'], { preferred_username: '../x' }), 403, 'FORBIDDEN'],
  ])('refused: a token %s', async (_, token, status, code) => {
    expect(await signIn(await token())).toMatchObject({ status, body: { code } });
  });

  test('a person’s access token counts on the API with the roles that token and directory share; the id token never does', async () => {
    await signIn(await idToken('ada', ['admins']));
    expect((await bed.get('/v1/people', await accessToken('ada', ['admins']))).status).toBe(200);
    expect((await bed.get('/v1/people', await accessToken('ada', ['finance']))).status).toBe(403);
    expect((await bed.get('/v1/people', await idToken('ada', ['admins']))).status).toBe(401);
    expect((await bed.get('/v1/people', await accessToken('stranger', ['admins']))).status).toBe(401);
  });

  test('an agent’s OAuth client proposes, and for whom it acts stands on the event; its key can be revoked', async () => {
    const subject = `${provider.issuer}#bot-client`;
    expect(await asRoot('/v1/agents/outreach-agent/keys', { key_id: 'sso', subject })).toMatchObject({ status: 201, body: { subject, key_id: 'sso' } });
    expect(await asRoot('/v1/people', { person: 'mask', subject, roles: ['approver'] })).toMatchObject({ status: 409 });
    expect(await asRoot('/v1/agents/outreach-agent/keys', { subject, public_key: 'A' })).toMatchObject({ status: 422 });
    const alone = await bed.post('/v1/actions', proposalOf('acme'), await accessToken('bot-client', []));
    const forFiona = await bed.post('/v1/actions', proposalOf('acme'), await accessToken('fiona', [], { act: { sub: 'bot-client', act: { sub: 'planner' } } }));
    expect([alone.status, forFiona.status]).toEqual([201, 201]);
    const envelopeOf = async ({ body }: Reply): Promise<Record<string, unknown>> =>
      JSON.parse(((await bed.database.query<{ bytes: Buffer }>('SELECT bytes FROM event')).rows.find(({ bytes }) => bytes.includes('ActionProposed') && bytes.includes(String(body['action_id'])))?.bytes ?? Buffer.from('{}')).toString('utf8')) as Record<string, unknown>;
    expect(await envelopeOf(alone)).toMatchObject({ actortype: 'agent', actorid: 'outreach-agent' });
    expect(await envelopeOf(alone)).not.toHaveProperty('actorchain');
    const chain = [`${provider.issuer}#planner`, `${provider.issuer}#fiona`];
    expect(await envelopeOf(forFiona)).toMatchObject({ actortype: 'agent', actorid: 'outreach-agent', actorchain: JSON.stringify(chain), data: { act_chain: chain } });
    // What people are asked about says so too: none of them may be whom the agent acts for.
    const asking = await bed.post('/v1/actions', mailTo('acme', 'ann@customer.example'), await accessToken('fiona', [], { act: { sub: 'bot-client', act: { sub: 'planner' } } }));
    expect(asking.body).toMatchObject({ verdict: 'REQUIRE_APPROVAL' });
    expect((await recorded()).find(({ type, subject: of }) => type.includes('ApprovalRequired') && of === asking.body['action_id'])).toMatchObject({ data: { act_chain: chain } });
    expect((await asRoot('/v1/agents/outreach-agent/keys/sso/revoke', {})).status).toBe(200);
    expect((await bed.post('/v1/actions', proposalOf('acme'), await accessToken('bot-client', []))).status).toBe(401);
  });

  test('invariant 12: who wrote a draft does not publish it through another account either', async () => {
    await signIn(await idToken('petra', ['policy']));
    expect(await asRoot('/v1/people/petra/accounts', { subject: `${provider.issuer}#petra-at-home` })).toMatchObject({ status: 200 });
    await signIn(await idToken('paul', ['policy']));
    expect(await bed.post('/v1/policies/organisation', { source: 'version: 1\npublication: { second_person: true }\n', reason: 'two people' }, bed.root)).toMatchObject({ status: 201 });
    const draft = await bed.post('/v1/policies/drafts', { source: examplePolicy, reason: 'the same again' }, await accessToken('petra-at-home', ['policy']));
    expect(draft).toMatchObject({ status: 201 });
    const publish = async (sub: string): Promise<Reply> => bed.post(`/v1/policies/drafts/${String(draft.body['draft_id'])}/publish`, {}, await accessToken(sub, ['policy']));
    for (const sub of ['petra', 'petra-at-home']) expect(await publish(sub)).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    expect(await publish('paul')).toMatchObject({ status: 201 });
  });
});
