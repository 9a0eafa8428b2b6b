import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { PolicyPublished } from '@exequatur/contracts';
import { composePolicy, parsePolicy, policyHash, policyText, registeredKinds } from '@exequatur/policy-domain';
import type { AutonomyLevels, LayerKind, Policy, PolicyLayer } from '@exequatur/policy-domain';
import type { JsonObject } from '@exequatur/kernel';
import { newId } from '@exequatur/kernel';
import { Installation } from '../spec/installation.js';

const read = (document: JsonObject, layer?: LayerKind): Policy => {
  const parsed = parsePolicy({ version: 1, ...document }, {}, layer);
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.findings));
  return parsed.policy;
};

describe('a policy with conditions, in force here', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000');
  });
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

  describe('composed of layers and levels', () => {
    const own = read({ classes: { mail: { kinds: ['mail.send'], default: 'allow' } } });
    /** versions beyond those the installation made itself; grants stay under its own */
    let made = 0;
    const comesIntoForce = async (layers: readonly PolicyLayer[], levels: AutonomyLevels): Promise<void> => {
      const policy = composePolicy({ own, layers, levels });
      const version = here.policyVersion + (made += 1);
      await here.neighbours.policy.publish(
        { tenant: 'acme', aggregate: 'policy', id: 'policy' },
        { definition: PolicyPublished, data: { policy_hash: policyHash(policy), policy_version: version, source: '{}', canonical: policyText(policy), registered_kinds: registeredKinds(policy), reason: 'spec' }, actor: { type: 'person', id: 'pia' } },
      );
      await here.until('it is in force', async () => (await here.count('SELECT FROM policy_in_force WHERE tenant = $1 AND policy_version = $2', ['acme', version])) === 1);
    };

    test('invariant 13: a layer of the organisation, and an overlay in its scope, refuse grants that were made before them', async () => {
      const grant = here.grant();
      await comesIntoForce([{ name: 'overlay:far', scope: 'tenant:acme/app:other', policy: read({ rules: [{ id: 'no', match: {}, decision: 'deny' }] }, 'overlay') }], {});
      expect(await here.reserve(here.grant())).toMatchObject({ status: 201 });
      await comesIntoForce([{ name: 'organisation', policy: read({ rules: [{ id: 'no', match: { kind: 'mail.send' }, decision: 'deny' }] }, 'organisation') }], {});
      expect(await here.reserve(grant)).toMatchObject({ status: 403, body: { code: 'POLICY_CHANGED_DENY' } });
    });

    test('P8: a level that fell holds for grants that were made before; people who had agreed still count', async () => {
      const [allowance, approved] = [here.grant(), here.grant({ source: 'approval', approvers: [{ person: 'ann', role: 'approver', stage: 0, vote_event_id: newId() }] })];
      await comesIntoForce([], { mailer: { 'mail.send': 'gate_all' } });
      expect(await here.reserve(allowance)).toMatchObject({ status: 403, body: { code: 'POLICY_CHANGED_APPROVAL_REQUIRED' } });
      expect(await here.reserve(approved)).toMatchObject({ status: 201 });
      await comesIntoForce([], { mailer: { '*': 'observe_only' } });
      expect(await here.reserve(here.grant())).toMatchObject({ status: 403, body: { code: 'POLICY_CHANGED_DENY' } });
    });

    test('limits of the organisation bound every claim of the tenant', async () => {
      await comesIntoForce([{ name: 'organisation', policy: read({ limits: { velocity: [{ id: 'one-mail', window: '1h', max_count: 1, by: 'agent' }] } }, 'organisation') }], {});
      expect(await here.reserve(here.grant())).toMatchObject({ status: 201 });
      expect(await here.reserve(here.grant())).toMatchObject({ status: 409, body: { code: 'VELOCITY_EXCEEDED' } });
    });
  });
});
