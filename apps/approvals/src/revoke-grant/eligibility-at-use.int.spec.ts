import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AccountLinked } from '@exequatur/contracts';
import { KeyServer } from '@exequatur/testing';
import { Installation, type Answered, type Asked } from '../spec/installation.js';

const STEP_UP_SECONDS = 600;

/** Issue 6, "Shown by" 3: who may decide is judged until the grant is used, by natural persons and by how recently they signed in. */
describe('eligibility', () => {
  let here: Installation;
  let provider: KeyServer;
  beforeAll(async () => {
    provider = await KeyServer.start();
    const trusted = [{ issuer: provider.issuer, name: 'Acme', tenant: 'acme', audience: 'https://api.example' }];
    here = await Installation.start({ EXEQUATUR_IDENTITY_PROVIDERS: JSON.stringify(trusted), EXEQUATUR_STEP_UP: JSON.stringify({ payroll: STEP_UP_SECONDS }) });
  });
  afterAll(async () => {
    await here.stop();
    await provider.stop();
  });

  const granted = async (person: string): Promise<Asked> => {
    const asked = await here.ask();
    expect((await here.decide(asked, 'approve', person)).body).toMatchObject({ status: 'granted' });
    return asked;
  };
  const takenBack = (asked: Asked): Promise<void> => here.until('the grant is taken back', async () => (await here.names(asked)).includes('GrantRevoked'));
  const lend = (ends_at: string): Promise<Answered> => here.call('POST', '/v1/approvals/delegations', here.personToken('georg'), { body: { to: 'nobody', role: 'finance', ends_at } });
  const tomorrow = (): string => new Date(Date.now() + 86_400_000).toISOString();
  const link = (person: string, sub: string): Promise<unknown> => here.policy.publish({ tenant: 'acme', aggregate: 'person', id: person }, { definition: AccountLinked, data: { person, subject: `${provider.issuer}#${sub}` }, actor: { type: 'system', id: 'root' } });
  const approveAs = async (asked: Asked, token: string): Promise<Answered> => {
    const { body, etag } = await here.show(asked, 'fiona');
    return here.call('POST', `/v1/approvals/${asked.request.approval_id}/approve`, token, { body: { view_hash: body['view_hash'] }, ifMatch: etag });
  };

  test('invariant 11: a role that is lost between vote and use takes the grant with it; another’s grant stands', async () => {
    const [hers, his] = [await granted('fiona'), await granted('georg')];
    await here.changeRoles('fiona', ['approver']);
    await takenBack(hers);
    const event = (await here.events(hers)).find(({ name }) => name === 'GrantRevoked');
    expect(event).toMatchObject({ actortype: 'system', data: { person: 'fiona', cause: 'role_lost', grant_id: hers.request.approval_id } });
    expect(await here.opened(hers, event ?? { id: '' })).toEqual({ reason: 'fiona no longer has the role finance' });
    expect((await here.show(hers)).body).toMatchObject({ status: 'revoked' });
    expect((await here.show(hers)).body['resolution']).not.toHaveProperty('person');
    await here.changeRoles('fiona', ['approver', 'finance']);
    expect((await here.names(hers)).filter((name) => name === 'GrantRevoked')).toHaveLength(1);
    expect(await here.names(his)).not.toContain('GrantRevoked');
  });

  test.each<[string, (loan: unknown) => Promise<unknown>]>([
    ['is given back', (loan) => here.call('POST', `/v1/approvals/delegations/${String(loan)}/end`, here.personToken('georg'), { body: {} })],
    ['has its day', () => here.rows("UPDATE voting_delegation SET ends_at = clock_timestamp() WHERE ended_at IS NULL AND ends_at > clock_timestamp()")],
    ['ends with the role of whoever lent it', () => here.changeRoles('georg', ['intern'])],
  ])('invariant 11: a lent role that %s takes the grant with it', async (_, end) => {
    const loan = await lend(tomorrow());
    const asked = await granted('nobody');
    await end(loan.body['delegation_id']);
    await takenBack(asked);
    expect((await here.events(asked)).find(({ name }) => name === 'GrantRevoked')).toMatchObject({ data: { person: 'nobody', cause: 'role_lost' } });
    await here.changeRoles('georg', ['finance']);
  });

  test('invariant 11: the requester through another account is the requester; a voter through another account has voted', async () => {
    await link('olga', 'olga-private');
    await link('georg', 'georg-private');
    const known = async (sub: string): Promise<boolean> => (await here.call('GET', '/v1/approvals', await provider.token({ sub }))).status === 200;
    await here.until('the accounts are known', async () => (await known('olga-private')) && known('georg-private'));
    const asked = await here.ask({ more: { demand: { stages: [{ roles: ['finance'], quorum: 2 }], ttl_ms: 3_600_000, on_timeout: 'deny', distinct: true } } });
    expect(await approveAs(asked, await provider.token({ sub: 'olga-private' }))).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    expect((await here.decide(asked, 'approve', 'georg')).status).toBe(200);
    expect(await approveAs(asked, await provider.token({ sub: 'georg-private' }))).toMatchObject({ status: 409, body: { code: 'ALREADY_VOTED' } });
    expect((await here.events(asked)).filter(({ name }) => name === 'VoteRefused')).toMatchObject([{ actorid: 'olga', data: { code: 'SELF_APPROVAL' } }, { actorid: 'georg', data: { code: 'ALREADY_VOTED' } }]);
  });

  test('invariant 11: whom the agent acts for by its token does not approve, by whichever account, nor does anybody in their name', async () => {
    await link('fiona', 'fiona-private');
    const known = async (sub: string): Promise<boolean> => (await here.call('GET', '/v1/approvals', await provider.token({ sub }))).status === 200;
    await here.until('the account is known', () => known('fiona-private'));
    const chain = [`${provider.issuer}#planner-client`, `${provider.issuer}#fiona-private`];
    const asked = await here.ask({ more: { act_chain: chain } });
    expect((await here.events(asked))[0]?.data).toMatchObject({ terms: { act_chain: chain } });
    for (const token of [here.personToken('fiona'), await provider.token({ sub: 'fiona-private' })]) expect(await approveAs(asked, token)).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    const loan = await here.call('POST', '/v1/approvals/delegations', here.personToken('fiona'), { body: { to: 'pia', role: 'finance', ends_at: tomorrow() } });
    expect(await here.decide(asked, 'approve', 'pia')).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    await here.call('POST', `/v1/approvals/delegations/${String(loan.body['delegation_id'])}/end`, here.personToken('fiona'), { body: {} });
    expect((await here.events(asked)).filter(({ name }) => name === 'VoteRefused').map(({ actorid, data }) => [actorid, data['code']])).toEqual([['fiona', 'SELF_APPROVAL'], ['fiona', 'SELF_APPROVAL'], ['pia', 'SELF_APPROVAL']]);
    expect((await here.decide(asked, 'approve', 'georg')).body).toMatchObject({ status: 'granted' });
    // The same person, where the agent acts for nobody.
    expect((await here.decide(await here.ask(), 'approve', 'fiona')).body).toMatchObject({ status: 'granted' });
  });

  test('a class that needs a recent sign-in: an old one, one nobody knows the time of, and one in the future do not approve, each an event; saying no needs none', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const asked = await here.ask({ more: { action_class: 'payroll' } });
    const signedIn = (auth_time?: number): Promise<string> => provider.token({ sub: 'georg-private', ...(auth_time === undefined ? {} : { auth_time }) });
    for (const token of [await signedIn(now - STEP_UP_SECONDS - 120), await signedIn(), await signedIn(now + 900), here.personToken('georg')])
      expect(await approveAs(asked, token)).toMatchObject({ status: 403, body: { code: 'STEP_UP_REQUIRED' } });
    expect((await here.events(asked)).slice(1).map(({ name, data }) => [name, data['code']])).toEqual(Array.from({ length: 4 }, () => ['VoteRefused', 'STEP_UP_REQUIRED']));
    expect(await approveAs(asked, await signedIn(now - 60))).toMatchObject({ status: 200, body: { status: 'granted' } });
    const other = await here.ask({ more: { action_class: 'payroll' } });
    expect(await here.decide(other, 'reject', 'fiona', { reason: 'no' })).toMatchObject({ status: 200, body: { status: 'rejected' } });
    expect((await here.decide(await here.ask(), 'approve', 'georg')).body).toMatchObject({ status: 'granted' });
  });
});
