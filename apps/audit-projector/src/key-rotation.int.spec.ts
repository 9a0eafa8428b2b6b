import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { generateSigningKey } from '@exequatur/audit-chain';
import { ConfigError } from '@exequatur/service-kit';
import { Installation } from './spec/installation.contract.js';

let world: Installation;
beforeAll(async () => {
  world = await Installation.running();
});
afterAll(() => world.stop());

/** Once the export events that were made before are leaves. */
const logged = (count: number): Promise<void> => world.until(`${count} exports are in the log`, async () => (await world.rows("SELECT FROM leaf WHERE tenant = 'acme' AND type LIKE '%ExportMade%'")).length >= count);
const signers = async (): Promise<readonly { readonly type: string; readonly key_id: string }[]> => world.rows("SELECT type, key_id FROM leaf WHERE tenant = 'acme' AND topic = 'exequatur.audit.v1' AND ordinal IS NOT NULL ORDER BY ordinal");

test('a service that starts with another key records it in each log; the verifier goes on from the key it pinned', async () => {
  const next = generateSigningKey('audit');
  const both = { ...world.trustedKeys, audit: [...(world.trustedKeys['audit'] ?? []), { kid: next.kid, jwk: next.publicJwk }] };
  const rotated = { EXEQUATUR_SIGNING_KEY: JSON.stringify(next.privateJwk), EXEQUATUR_TRUSTED_KEYS: JSON.stringify(both) };
  await world.exported();
  await logged(1);
  await world.service?.close();

  // Whose log it was is not forgotten.
  await expect(world.startService(rotated)).rejects.toThrow(ConfigError);
  await expect(world.startService({ ...rotated, EXEQUATUR_PREVIOUS_SIGNING_KEY: JSON.stringify(generateSigningKey('audit').privateJwk) })).rejects.toThrow(ConfigError);

  await world.startService({ ...rotated, EXEQUATUR_PREVIOUS_SIGNING_KEY: world.secrets.signingKeys.audit });
  await world.service?.close();
  // Again, and without the old key: nothing more is rotated.
  await world.startService(rotated);
  await world.exported();
  await logged(2);
  const [old] = world.trustedKeys['audit'] ?? [];
  const seen = (await signers()).map(({ type, key_id: kid }) => `${type.split('.')[3]} ${kid === next.kid ? 'new' : kid === old?.kid ? 'old' : kid}`);
  expect(seen).toEqual(['ExportMade old', 'SigningKeyRotated old', 'ExportMade new']);

  const { report } = await world.judged();
  expect(report.violations).toEqual([]);
  expect(report).toMatchObject({ result: 'valid', keys: 'pinned' });
});
