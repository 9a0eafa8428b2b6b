import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ReviewDrawn } from '@exequatur/contracts';
import { newId } from '@exequatur/kernel';
import { seal } from '@exequatur/sealing';
import { RebuildQueue } from '../queue-view/rebuild-queue.js';
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
    await here.policy.publish({ tenant: 'acme', aggregate: 'action', id: actionId }, { definition: ReviewDrawn, data: { action_id: actionId, policy_hash, policy_version, rule_id, reason, tier: 'AUTO', facts, arguments_hash, agent_owner: 'olga', act_chain: ['dev#acme-fiona'] }, actor: { type: 'agent', id: 'support-bot' }, id, correlationId: actionId, sealed });
    await here.until('it stands in the queue', async () => (await here.rows('SELECT FROM action_review')).length === 1);
    const path = `/v1/approvals/reviews/${actionId}`;
    const judge = (person: string, body: object) => here.call('POST', path, here.personToken(person), { body });
    expect((await here.call('GET', '/v1/approvals/reviews', here.personToken('pia'))).body).toMatchObject({ items: [{ action_id: actionId, tier: 'AUTO', rule_id: 'refund-large', judgement: null }] });
    expect((await here.call('GET', path, here.personToken('pia'))).body).toMatchObject({ arguments: '{"q":"a\\u202eb"}', agent_words: 'routine', facts: { agent: 'support-bot' } });
    expect(await here.call('GET', path, here.personToken('pia', 'globex'))).toMatchObject({ status: 404 });
    expect(await here.call('GET', '/v1/approvals/reviews', here.personToken('georg'))).toMatchObject({ status: 403 });
    expect(await judge('olga', { judgement: 'right', words: 'mine' })).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    expect(await judge('fiona', { judgement: 'right', words: 'it acted for me' })).toMatchObject({ status: 403, body: { code: 'SELF_APPROVAL' } });
    expect(await judge('pia', { judgement: 'wrong' })).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    expect(await judge('pia', { judgement: 'wrong', words: 'it should have asked' })).toMatchObject({ status: 200, body: { judgement: 'wrong' } });
    expect(await judge('pia', { judgement: 'right', words: 'no' })).toMatchObject({ status: 409, body: { code: 'ALREADY_DECIDED' } });
    expect((await here.call('GET', '/v1/approvals/reviews', here.personToken('pia'))).body).toEqual({ items: [] });
    expect((await here.call('GET', '/v1/approvals/reviews?include_reviewed=true', here.personToken('pia'))).body).toMatchObject({ items: [{ judgement: 'wrong', reviewed_by: 'pia' }] });
  });

  test('A9: the rows of reviews follow from their streams alone: made again from nothing they are the same', async () => {
    const { request } = await here.ask();
    for (const nth of [1, 2, 3]) {
      const actionId = newId();
      const key = await here.keys.createActionKey('acme', actionId);
      const { facts, policy_hash, policy_version, reason, arguments_hash } = request;
      const id = newId();
      const sealed = seal(key, actionId, id, { salt: Buffer.alloc(16).toString('base64url'), arguments: '{}' });
      await here.policy.publish({ tenant: 'acme', aggregate: 'action', id: actionId }, { definition: ReviewDrawn, data: { action_id: actionId, policy_hash, policy_version, rule_id: `rule-${nth}`, reason, tier: 'LOG', facts, arguments_hash }, actor: { type: 'agent', id: 'support-bot' }, id, correlationId: actionId, sealed });
      await here.until('it stands in the queue', async () => (await here.rows('SELECT FROM action_review WHERE action_id = $1', [actionId])).length === 1);
      if (nth < 3) expect(await here.call('POST', `/v1/approvals/reviews/${actionId}`, here.personToken('pia'), { body: { judgement: nth === 1 ? 'right' : 'wrong', words: 'seen' } })).toMatchObject({ status: 200 });
    }
    const rows = () => here.rows('SELECT * FROM action_review ORDER BY tenant, action_id');
    const before = await rows();
    expect(new Set(before.map(({ judgement }) => judgement as unknown))).toEqual(new Set(['right', 'wrong', null]));
    await here.rows('DELETE FROM action_review');
    expect(await here.service.app.get(RebuildQueue).rebuildReviews()).toBe(before.length);
    expect(await rows()).toEqual(before);
    // Nothing is added by making again what is there.
    await here.service.app.get(RebuildQueue).rebuildReviews();
    expect(await rows()).toEqual(before);
  });
});
