import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { RebuildQueue } from '../queue-view/rebuild-queue.js';
import { Installation } from '../spec/installation.js';

describe('how people review', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  });
  afterAll(() => here.stop());

  type Row = { of: string; decisions: number; flags: string[]; rejection_reasons: object };
  const rows = async (person: string, query = ''): Promise<Row[]> => (await here.call('GET', `/v1/approvals/quality${query}`, here.personToken(person))).body['items'] as Row[];

  test('A9: numbers by reviewer, kind and rule, from looks and votes; a rebuild gives the same', async () => {
    const [approved, edited, rejected] = [await here.ask(), await here.ask(), await here.ask()];
    await here.decide(approved, 'approve', 'fiona');
    await here.decide(edited, 'edit', 'fiona', { arguments: { account: 'acct_42', amount: '50.00', note: 'half' } });
    await here.decide(rejected, 'reject', 'georg', { reason: 'no', reason_code: 'too_much' });
    const live = await rows('pia');
    expect(live).toMatchObject([
      { of: 'fiona', decisions: 2, approvals: 2, approval_rate: '1.0000', edit_rate: '0.5000', median_dwell_ms: expect.any(Number) as unknown, flags: [] },
      { of: 'georg', decisions: 1, approvals: 0, rejection_reasons: { too_much: 1 } },
    ]);
    expect(await rows('pia', '?by=kind')).toMatchObject([{ of: 'payment.refund', decisions: 3 }]);
    expect(await rows('pia', '?by=rule&reviewer=georg')).toMatchObject([{ of: 'refund-large', decisions: 1 }]);
    expect((await rows('georg')).map(({ of }) => of)).toEqual(['georg']);
    await here.rows('DELETE FROM vote_cast');
    await here.service.app.get(RebuildQueue).rebuild();
    expect(await rows('pia')).toEqual(live);
  });

  test('A9: whoever stamps 100 requests in two seconds each is flagged, whoever reads them is not', async () => {
    await here.rows(`INSERT INTO vote_cast (tenant, vote_event_id, approval_id, person, vote, action_kind, rule_id, cast_at, opened_at, dwell_ms, narrowed, edited, emergency)
SELECT 'acme', gen_random_uuid(), gen_random_uuid(), who, CASE WHEN who = 'careful' AND n % 12 = 0 THEN 'reject' ELSE 'approve' END, 'k', 'r', clock_timestamp(), clock_timestamp() - interval '1 minute', CASE WHEN who = 'stamper' THEN 2000 ELSE 20000 + n END, false, false, false
FROM generate_series(1, 100) AS n, (VALUES ('stamper'), ('careful')) AS people (who)`);
    expect((await rows('pia')).filter(({ of }) => ['stamper', 'careful'].includes(of)).map(({ of, flags }) => [of, flags])).toEqual([['careful', []], ['stamper', ['approves_nearly_everything', 'decides_too_fast']]]);
    expect(await here.call('GET', '/v1/approvals/quality', here.agentToken())).toMatchObject({ status: 403 });
  });

  test('A9: a planted request looks like any other, ends by its first decision, never becomes authority, and counts for its reviewer alone', async () => {
    const model = await here.ask();
    const plant = (person: string, body: object) => here.call('POST', '/v1/approvals/canaries', here.personToken(person), { body });
    expect(await plant('fiona', { like: model.request.approval_id, arguments: {} })).toMatchObject({ status: 403 });
    expect(await plant('pia', { like: newId(), arguments: {} })).toMatchObject({ status: 404 });
    const planted = async () => {
      const { body, status } = await plant('pia', { like: model.request.approval_id, arguments: { account: 'acct_66', amount: '9999.00', note: 'urgent' }, reasoning: 'Approve this at once.' });
      expect(status).toBe(201);
      return { ...model, request: { ...model.request, approval_id: String(body['approval_id']), action_id: String(body['action_id']) } };
    };
    const canary = await planted();
    const [shown, real] = [await here.show(canary), await here.show(model)];
    expect(Object.keys(shown.body)).toEqual(Object.keys(real.body));
    expect(shown.bytes).not.toMatch(/canary|planted|pia/);
    expect(shown.body).toMatchObject({ status: 'open', card: { title: 'payment.refund by support-bot for 9999.00 USD', warnings: [{ found: 'speaks_to_reviewer' }] } });
    expect((await here.call('GET', '/v1/approvals?limit=200', here.personToken('georg'))).bytes).not.toMatch(/canary|planted/);
    expect(await here.decide(canary, 'approve', 'lea')).toMatchObject({ status: 403, body: { code: 'NOT_ELIGIBLE' } });
    expect(await here.decide(canary, 'approve', 'georg')).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    expect(await here.names(canary)).toEqual(['ApprovalOpened', 'VoteRefused', 'CanaryAnswered']);
    expect((await here.events(canary))[0]?.data).toMatchObject({ canary: { planted_by: 'pia', like: model.request.approval_id } });
    expect((await here.show(canary)).body).toMatchObject({ status: 'cancelled', resolution: { person: 'georg', canary: { noticed: false } } });
    const noticed = await planted();
    expect(await here.decide(noticed, 'reject', 'fiona', { reason: 'never' })).toMatchObject({ status: 200, body: { status: 'cancelled' } });
    await here.decide(await planted(), 'approve', 'georg');
    const { length } = await here.rows("SELECT FROM event WHERE type ~ '(ApprovalGranted|ApprovalVoted)' AND subject = ANY ($1)", [[canary, noticed].map(({ request }) => request.approval_id)]);
    expect(length).toBe(0);
    const live = (await rows('pia')).filter(({ of }) => of === 'georg' || of === 'fiona');
    expect(live).toMatchObject([{ of: 'fiona', decisions: 2, canaries: 1, canaries_noticed: 1, score: '1.0000', flags: [] }, { of: 'georg', decisions: 1, canaries: 2, canaries_noticed: 0, score: '0.0000', flags: ['misses_canaries'] }]);
    await here.rows('DELETE FROM vote_cast');
    await here.service.app.get(RebuildQueue).rebuild();
    expect((await rows('pia')).filter(({ of }) => of === 'georg' || of === 'fiona')).toEqual(live);
  });

  test('A9: overriding the rule is counted: alone outside its quorum, and asking for more than it judged', async () => {
    await here.decide(await here.ask(), 'break-glass', 'erin', { reason: 'outage' });
    await here.decide(await here.ask(), 'edit', 'fiona', { arguments: { account: 'acct_1', amount: '1000.00' }, as_new_action: true });
    expect((await rows('pia')).filter(({ of }) => of === 'erin' || of === 'fiona')).toMatchObject([{ of: 'fiona', decisions: 3, override_rate: '0.3333' }, { of: 'erin', decisions: 1, override_rate: '1.0000' }]);
  });
});
