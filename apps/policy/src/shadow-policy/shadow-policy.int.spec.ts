import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { examplePolicy, mailTo, proposalOf, startPolicyBed } from '../spec/policy-bed.js';
import type { PolicyBed } from '../spec/policy-bed.js';

const candidate = `${examplePolicy}\n  - id: no-research\n    match: { kind: research.search, risk_tags: [pii] }\n    decision: deny\n`;

describe('P6: a candidate in the shadow of the active policy', () => {
  let postgres: TestPostgres;
  let bed: PolicyBed;
  let agent: string;
  beforeAll(async () => {
    postgres = await startTestPostgres();
    bed = await startPolicyBed((await postgres.createDatabase()).url);
    ({ agent } = await bed.tenant('acme'));
    await bed.tenant('globex');
  });
  afterAll(async () => {
    await bed.close();
    await postgres.stop();
  });

  const report = (tenant = 'acme') => bed.get(`/v1/policies/shadow?tenant=${tenant}`, bed.root);

  test('is judged on live traffic, its differences are counted, and nothing is decided by it', async () => {
    expect((await report()).status).toBe(404);
    const started = await bed.post('/v1/policies/shadow', { tenant: 'acme', source: candidate, reason: 'before summer' }, bed.root);
    expect(started).toMatchObject({ status: 201, body: { policy_hash: expect.stringMatching(/^sha256:/) } });
    const verdicts = await Promise.all([
      ...Array.from({ length: 5 }, () => bed.post<{ action_id: string; verdict: string; policy_version: number }>('/v1/actions', proposalOf('acme', { risk_tags: ['pii'] }), agent)),
      bed.post<{ action_id: string; verdict: string; policy_version: number }>('/v1/actions', proposalOf('acme'), agent),
      bed.post<{ action_id: string; verdict: string; policy_version: number }>('/v1/actions', mailTo('acme', 'ann@customer.example'), agent),
    ]);
    expect(verdicts.map(({ body }) => `${body.verdict} ${body.policy_version}`)).toEqual([...Array.from({ length: 6 }, () => 'ALLOW 1'), 'REQUIRE_APPROVAL 1']);
    expect((await report()).body).toMatchObject({
      policy_hash: started.body['policy_hash'],
      reason: 'before summer',
      relaxed: 0,
      tightened: 5,
      unchanged: 2,
      differences: [{ action_kind: 'research.search', rule_before: 'class:read_only', rule_after: 'no-research', change: 'tightened', actions: 5, last_action: expect.any(String) }],
    });
    expect((await report('globex')).status).toBe(404);
  });

  test('another candidate starts at nothing; stopped, nothing is judged', async () => {
    await bed.post('/v1/policies/shadow', { tenant: 'acme', source: examplePolicy }, bed.root);
    expect((await report()).body).toMatchObject({ tightened: 0, unchanged: 0, differences: [] });
    expect((await bed.post('/v1/policies/shadow/stop', { tenant: 'acme' }, bed.root)).status).toBe(200);
    expect((await bed.post('/v1/policies/shadow/stop', { tenant: 'acme' }, bed.root)).status).toBe(404);
    await bed.post('/v1/actions', proposalOf('acme', { risk_tags: ['pii'] }), agent);
    expect((await bed.database.query('SELECT * FROM shadow_count')).rows).toEqual([]);
  });

  test('a faulty candidate is refused with its faults, and agents may not start one', async () => {
    expect(await bed.post('/v1/policies/shadow', { tenant: 'acme', source: 'version: 1\nclases: {}\n' }, bed.root)).toMatchObject({ status: 422, body: { code: 'INVALID' } });
    expect((await bed.post('/v1/policies/shadow', { source: examplePolicy }, agent)).status).toBe(403);
  });
});
