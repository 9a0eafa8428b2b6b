import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { POLICY_BUNDLE_TYPE, PolicyPublished } from '@exequatur/contracts';
import { parsePolicy, policyHash, policyText, registeredKinds } from '@exequatur/policy-domain';
import { ServiceMetrics } from '@exequatur/service-kit';
import { Installation } from '../spec/installation.js';

const parsed = parsePolicy({ version: 1, classes: { mail: { kinds: ['mail.send'], default: 'allow' } }, rules: [{ id: 'changed', match: { kind: 'mail.send' }, decision: 'deny' }] });
if (!parsed.ok) throw new Error('the policy is faulty');
const { policy } = parsed;
const hash = policyHash(policy);

describe('bundles of policies', () => {
  let here: Installation;
  beforeAll(async () => {
    here = await Installation.start();
    await here.budget('1000000');
  });
  afterAll(() => here.stop());

  const sign = (by: 'policy' | 'executor', claims: object, typ = POLICY_BUNDLE_TYPE): string => here.signer(by).signJws({ ...claims }, typ);
  const arrives = (version: number, change: object): Promise<unknown> =>
    here.neighbours.policy.publish(
      { tenant: 'acme', aggregate: 'policy', id: 'policy' },
      { definition: PolicyPublished, data: { policy_hash: hash, policy_version: version, source: '{}', canonical: policyText(policy), registered_kinds: registeredKinds(policy), reason: 'spec', ...change }, actor: { type: 'person', id: 'pia' } },
    );
  const told = async (): Promise<{ ready: boolean; detail: string | undefined }> => {
    const { ready, checks } = await here.service.ready();
    return { ready, detail: checks.find(({ name }) => name === 'policy-bundles')?.detail };
  };

  test('P5: one whose hash or signature is off does not come into force; the good one before does, readiness and a metric say so, and the next good one mends it', async () => {
    const good = here.policyVersion;
    const claims = (version: number) => ({ tenant: 'acme', policy_version: version, policy_hash: hash });
    const faulty: readonly (readonly [string, object])[] = [
      ['signature', { bundle: sign('executor', claims(good + 1)) }],
      ['signature', { bundle: sign('policy', claims(good + 1), 'exequatur-grant+jws') }],
      ['signature', { bundle: sign('policy', { ...claims(good + 1), tenant: 'globex' }) }],
      ['signature', { bundle: sign('policy', claims(good + 2)) }],
      ['hash', { canonical: policyText({ ...policy, rules: [] }), bundle: sign('policy', claims(good + 1)) }],
    ];
    let refused = 0;
    for (const [fault, change] of faulty) {
      await arrives(good + 1, change);
      refused += 1;
      const detail = `refused, the version before stays in force: acme version ${good + 1} (${fault})`;
      await here.until(`number ${refused} was refused, and readiness says so`, async () => (await counted()) === refused && (await told()).detail === detail);
      expect((await told()).ready).toBe(true);
    }
    expect(await here.count('SELECT FROM policy_in_force WHERE tenant = $1 AND policy_version = $2', ['acme', good])).toBe(1);
    expect(await here.reserve(here.grant())).toMatchObject({ status: 201 });

    await arrives(good + 2, { bundle: sign('policy', claims(good + 2)) });
    await here.until('the good one is in force', async () => (await here.count('SELECT FROM policy_in_force WHERE tenant = $1 AND policy_version = $2', ['acme', good + 2])) === 1);
    expect(await told()).toEqual({ ready: true, detail: undefined });
    expect(await here.reserve(here.grant())).toMatchObject({ status: 403, body: { code: 'POLICY_CHANGED_DENY' } });
  });

  const counted = async (): Promise<number> => {
    const metric = await here.service.app.get(ServiceMetrics).registry.getSingleMetric('exequatur_policy_bundles_refused_total')?.get();
    return (metric?.values ?? []).reduce((sum, { value }) => sum + value, 0);
  };
});
