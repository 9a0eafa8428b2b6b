import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { RebuildQueue } from '../queue-view/rebuild-queue.js';
import { Installation } from '../spec/installation.js';

describe('how people review', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
  }, 60_000);
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
});
