import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { Installation, type Asked } from '../spec/installation.js';

describe('deciding many at once', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  const askMany = async (count: number, undo: boolean, run: string): Promise<readonly Asked[]> => {
    const { facts } = (await here.ask()).request;
    return Promise.all(Array.from({ length: count }, () => here.ask({ more: { rule_id: run, facts: { ...facts, run_id: run, has_reversal: undo } } })));
  };
  type Group = { group_key: string; requests: number; policy_rule_id: string };
  const groupOf = async (rule: string): Promise<Group> => {
    const groups = (await here.call('GET', '/v1/approvals/groups', here.personToken('fiona'))).body['items'] as Group[];
    const found = groups.find(({ policy_rule_id }) => policy_rule_id === rule);
    if (found === undefined) throw new Error('no such group');
    return found;
  };
  type Preview = { group: string; items: { approval_id: string; version: number; view_hash: string }[]; expected_count: number; set_hash: string };
  const preview = async (rule: string): Promise<Preview> => (await here.call('GET', `/v1/approvals/batch/preview?group=${(await groupOf(rule)).group_key}`, here.personToken('fiona'))).body as unknown as Preview;
  const decide = ({ group, items, expected_count, set_hash }: Preview, body: object, key = newId()) =>
    here.call('POST', '/v1/approvals/batch', here.personToken('fiona'), { body: { group, items: items.map(({ approval_id, version, view_hash }) => ({ approval_id, version, view_hash })), expected_count, set_hash, ...body }, key });

  test('what was previewed is approved, each by itself; a repeated key replays the first answer', async () => {
    const asked = await askMany(4, true, 'batch-approve');
    expect(await groupOf('batch-approve')).toMatchObject({ requests: 4, all_reversible: true });
    const seen = await preview('batch-approve');
    expect(seen).toMatchObject({ expected_count: 4 });
    const [first] = asked;
    if (first === undefined) throw new Error('asked four');
    await here.decide(first, 'reject', 'georg', { reason: 'no' });
    const key = newId();
    const answer = await decide(seen, { decision: 'approve', rationale: 'all alike' }, key);
    expect(answer).toMatchObject({ status: 200, body: { decided: 3, refused: 1 } });
    expect((answer.body['results'] as { approval_id: string }[]).find(({ approval_id }) => approval_id === first.request.approval_id)).toMatchObject({ code: 'STALE', detail: 'the request is rejected by georg' });
    for (const each of asked.slice(1)) expect((await here.show(each)).body).toMatchObject({ status: 'granted', votes: [{ person: 'fiona', rationale: 'all alike' }] });
    expect((await decide(seen, { decision: 'approve', rationale: 'all alike' }, key)).bytes).toBe(answer.bytes);
    expect(await here.names(first)).toEqual(['ApprovalOpened', 'ApprovalVoted', 'ApprovalRejected']);
  });

  test('invariant 11: an agent decides no batch, and its attempt on each request is an event', async () => {
    const asked = await askMany(2, true, 'batch-agent');
    const { group, items, expected_count, set_hash } = await preview('batch-agent');
    const body = { group, items: items.map(({ approval_id, version, view_hash }) => ({ approval_id, version, view_hash })), expected_count, set_hash };
    for (const decision of [{ decision: 'approve' }, { decision: 'reject', reason: 'no' }]) expect(await here.call('POST', '/v1/approvals/batch', here.agentToken(), { body: { ...body, ...decision } })).toMatchObject({ status: 403, body: { code: 'NOT_A_PERSON' } });
    expect(await here.call('GET', `/v1/approvals/batch/preview?group=${group}`, here.agentToken())).toMatchObject({ status: 403 });
    for (const each of asked) {
      expect((await here.events(each)).map(({ name, actorid, data }) => [name, actorid, data['attempted'], data['code']]).slice(1)).toEqual([['VoteRefused', 'support-bot', 'approve', 'NOT_A_PERSON'], ['VoteRefused', 'support-bot', 'reject', 'NOT_A_PERSON']]);
      expect((await here.show(each)).body).toMatchObject({ status: 'open', votes: [] });
    }
  });

  test('another set than the one previewed is refused as a whole', async () => {
    await askMany(2, true, 'batch-set');
    const seen = await preview('batch-set');
    expect(await decide({ ...seen, expected_count: 3 }, { decision: 'approve' })).toMatchObject({ status: 412, body: { code: 'STALE' } });
    expect(await decide({ ...seen, items: seen.items.slice(1), expected_count: 1 }, { decision: 'approve' })).toMatchObject({ status: 412 });
    expect(await decide({ ...seen, items: [], expected_count: 0 }, { decision: 'approve' })).toMatchObject({ status: 422 });
    expect(await decide(seen, { decision: 'reject' })).toMatchObject({ status: 422, body: { code: 'REASON_REQUIRED' } });
    expect(await groupOf('batch-set')).toMatchObject({ requests: 2 });
  });

  test('nothing that cannot be undone is approved in a batch; it can be rejected so', async () => {
    const asked = await askMany(2, false, 'batch-final');
    const seen = await preview('batch-final');
    expect((await decide(seen, { decision: 'approve' })).body).toMatchObject({ decided: 0, refused: 2, results: [{ code: 'CONFLICT' }, { code: 'CONFLICT' }] });
    expect((await decide(seen, { decision: 'reject', reason: 'none of these' })).body).toMatchObject({ decided: 2, refused: 0 });
    for (const each of asked) expect((await here.show(each)).body).toMatchObject({ status: 'rejected' });
  });

  test('another group decides nothing', async () => {
    await askMany(1, true, 'batch-other');
    const seen = await preview('batch-other');
    const { setHash } = await import('./decide-batch.js');
    const group = 'f'.repeat(32);
    expect((await decide({ ...seen, group, set_hash: setHash(group, seen.items) }, { decision: 'approve' })).body).toMatchObject({ decided: 0, results: [{ code: 'CONFLICT' }] });
    expect((await here.call('GET', '/v1/approvals/counts', here.personToken('fiona'))).body).toMatchObject({ requests: expect.any(Number) as unknown, sla_due: 0 });
  });
});
