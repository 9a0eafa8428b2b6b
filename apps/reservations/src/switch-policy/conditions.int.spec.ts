import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Installation } from '../spec/installation.js';

describe('a policy with conditions, in force here', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000');
  }, 60_000);
  afterAll(() => here.stop());

  test('invariant 13: a grant of an older version is judged by the conditions of the newer, and refused where they cannot be evaluated', async () => {
    const withFacts = (change: object) => {
      const grant = here.grant();
      return { ...grant, facts: { ...grant.facts, ...change } };
    };
    const [inside, outside, unknown] = [withFacts({ environment: 'test' }), withFacts({ environment: 'prod' }), withFacts({})];
    await here.publishPolicy('acme', {
      version: 1,
      classes: { mail: { kinds: ['mail.send'], default: 'deny' } },
      rules: [{ id: 'test-only', match: { kind: 'mail.send' }, when: "action.environment == 'test' && action.risk_points < 5", decision: 'allow' }],
    });
    expect(await here.reserve(outside)).toMatchObject({ status: 403, body: { code: 'POLICY_CHANGED_DENY' } });
    expect(await here.reserve(unknown)).toMatchObject({ status: 403, body: { code: 'POLICY_CHANGED_DENY' } });
    const held = await here.reserve(inside);
    expect(held).toMatchObject({ status: 201, body: { status: 'held' } });
    expect((await here.call('GET', `/v1/reservations/${held.body['reservation_id'] as string}`, here.agentToken('acme'))).body).toMatchObject({ policy_result: 're_evaluated', policy_version: here.policyVersion });
  });
});
