import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ReviewDrawn } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { seal } from '@exequatur/sealing';
import { Installation } from '../spec/installation.js';

describe('reviews after the fact', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  test('A9: an allowed action that was drawn is listed, shown and judged once, never by the owner of its agent', async () => {
    const { request } = await here.ask();
    const actionId = newId();
    const key = await here.keys.createActionKey('acme', actionId);
    const { facts, policy_hash, policy_version, rule_id, reason, arguments_hash } = request;
    const id = newId();
    const sealed = seal(key, actionId, id, { salt: Buffer.alloc(16).toString('base64url'), arguments: '{"q":"a\u202eb"}', reasoning: 'routine' });
    await here.policy.publish({ tenant: 'acme', aggregate: 'action', id: actionId }, { definition: ReviewDrawn, data: { action_id: actionId, policy_hash, policy_version, rule_id, reason, tier: 'AUTO', facts, arguments_hash, agent_owner: 'olga' }, actor: { type: 'agent', id: 'support-bot' }, id, correlationId: actionId, sealed });
    await here.until('it stands in the queue', async () => (await here.rows('SELECT FROM action_review')).length === 1);
    const path = `/v1/approvals/reviews/${actionId}`;
    const judge = (person: string, body: object) => here.call('POST', path, here.personToken(person), { body });
    expect((await here.call('GET', '/v1/approvals/reviews', here.personToken('pia'))).body).toMatchObject({ items: [{ action_id: actionId, tier: 'AUTO', rule_id: 'refund-large', judgement: null }] });
    expect((await here.call('GET', path, here.personToken('pia'))).body).toMatchObject({ arguments: '{"q":"a\\u202eb"}', agent_words: 'routine', facts: { agent: 'support-bot' } });
    expect(await here.call('GET', path, here.personToken('pia', 'globex'))).toMatchObject({ status: 404 });
    expect(await here.call('GET', '/v1/approvals/reviews', here.personToken('georg'))).toMatchObject({ status: 403 });
    expect(await judge('olga', { judgement: 'right', words: 'mine' })).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    expect(await judge('pia', { judgement: 'wrong' })).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    expect(await judge('pia', { judgement: 'wrong', words: 'it should have asked' })).toMatchObject({ status: 200, body: { judgement: 'wrong' } });
    expect(await judge('fiona', { judgement: 'right', words: 'no' })).toMatchObject({ status: 409, body: { code: 'ALREADY_DECIDED' } });
    expect((await here.call('GET', '/v1/approvals/reviews', here.personToken('pia'))).body).toEqual({ items: [] });
    expect((await here.call('GET', '/v1/approvals/reviews?include_reviewed=true', here.personToken('pia'))).body).toMatchObject({ items: [{ judgement: 'wrong', reviewed_by: 'pia' }] });
  });
});
