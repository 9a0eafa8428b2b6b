import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Installation } from '../spec/installation.js';

describe('lending a role', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString();
  const lend = (from: string, to: string, role: string, ends_at = inDays(7)) => here.call('POST', '/v1/approvals/delegations', here.personToken(from), { body: { to, role, ends_at } });
  const end = (person: string, id: unknown) => here.call('POST', `/v1/approvals/delegations/${String(id)}/end`, here.personToken(person), { body: {} });

  test('the borrower sees and decides in the lender’s name, until the loan ends; nothing is lent on (invariant 11)', async () => {
    const lent = await lend('georg', 'nobody', 'finance');
    expect(lent).toMatchObject({ status: 201, body: { from: 'georg', to: 'nobody', role: 'finance', status: 'standing' } });
    const asked = await here.ask();
    expect((await here.show(asked, 'nobody')).status).toBe(200);
    expect((await here.call('GET', '/v1/approvals', here.personToken('nobody'))).bytes).toContain(asked.request.approval_id);
    expect(await lend('nobody', 'pia', 'finance')).toMatchObject({ status: 403, body: { code: 'NOT_ELIGIBLE' } });
    expect((await here.decide(asked, 'approve', 'nobody')).body).toMatchObject({ status: 'granted' });
    expect((await here.show(asked)).body).toMatchObject({ votes: [{ person: 'nobody', role: 'finance', on_behalf_of: 'georg' }] });
    expect(await end('fiona', lent.body['delegation_id'])).toMatchObject({ status: 404 });
    expect(await end('georg', lent.body['delegation_id'])).toMatchObject({ status: 200, body: { status: 'ended' } });
    expect(await end('georg', lent.body['delegation_id'])).toMatchObject({ status: 200, body: { status: 'ended' } });
    const later = await here.ask();
    expect(await here.show(later, 'nobody')).toMatchObject({ status: 404 });
    expect((await here.decide(later, 'approve', 'nobody')).body).toMatchObject({ code: 'NOT_ELIGIBLE' });
  });

  test('a loan ends with the role of whoever lent it, and with its day', async () => {
    await lend('georg', 'nobody', 'finance');
    const asked = await here.ask();
    await here.changeRoles('georg', ['intern']);
    expect((await here.decide(asked, 'approve', 'nobody')).body).toMatchObject({ code: 'NOT_ELIGIBLE' });
    await here.changeRoles('georg', ['finance']);
    expect((await here.decide(asked, 'approve', 'nobody')).body).toMatchObject({ status: 'granted' });
    await here.rows("UPDATE voting_delegation SET ends_at = clock_timestamp() - interval '1 second'");
    expect((await here.decide(await here.ask(), 'approve', 'nobody')).body).toMatchObject({ code: 'NOT_ELIGIBLE' });
    expect((await here.call('GET', '/v1/approvals/delegations', here.personToken('georg'))).body['items']).toMatchObject([{ status: 'ended' }, { status: 'ended' }]);
  });

  test('not what one does not hold, not to nobody, not for ever', async () => {
    expect(await lend('lea', 'pia', 'finance')).toMatchObject({ status: 403 });
    expect(await lend('olga', 'pia', 'operator')).toMatchObject({ status: 403 });
    expect(await lend('fiona', 'unheard-of', 'finance')).toMatchObject({ status: 422 });
    expect(await lend('fiona', 'pia', 'finance', inDays(100))).toMatchObject({ status: 409 });
    expect(await lend('fiona', 'pia', 'finance', inDays(-1))).toMatchObject({ status: 409 });
  });
});
