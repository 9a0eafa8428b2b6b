import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { importSigningKey } from '@exequatur/audit-chain';
import type { PrivateJwk } from '@exequatur/audit-chain';
import { ActionDenied, ActionProposed, PolicyPublished, RetentionEnded } from '@exequatur/contracts';
import type { PolicyFacts } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import { newId, newSalt, sha256Text } from '@exequatur/kernel';
import { PgKeyStore, seal } from '@exequatur/sealing';
import { EndRetention } from './end-retention/end-retention.js';
import { Installation } from './spec/installation.contract.js';
import { FollowTimeline } from './workflow-metrics/follow-timeline.js';

const DAY_MS = 86_400_000;
const CANARY = 'canary-kept-too-long';
const CANONICAL = JSON.stringify({ classes: { short: { retention_ms: DAY_MS }, silent: {} }, version: 1 });
const POLICY_HASH = sha256Text(Buffer.from(CANONICAL));
const HASH = `sha256:${'b'.repeat(64)}`;

let world: Installation;
beforeAll(async () => {
  world = await Installation.running();
});
afterAll(() => world.stop());

const facts: PolicyFacts = { tenant: 'acme', scope_path: 'tenant:acme', agent: 'outreach-agent', run_id: 'run-1', action_kind: 'message.email.send', tool: { name: 'mailer.send', version: '1' }, risk_tags: [], risk_points: 1, amounts: [], has_evidence: false, has_reversal: false, execution_mode: 'managed' };

/** A denied action of some days ago, by policy's clock of that day. */
const denied = async (daysAgo: number, actionClass: string): Promise<string> => {
  const [actionId, proposedId] = [newId(), newId()];
  const { sql } = world.neighbours.policy;
  const key = await new PgKeyStore({ sql, keyEncryptionKey: Buffer.from(world.secrets.keyEncryptionKey, 'base64url') }).createActionKey('acme', actionId);
  const then = Date.now() - daysAgo * DAY_MS;
  const store = new PgEventStore({ pool: sql, service: 'policy', signingKey: importSigningKey(JSON.parse(world.secrets.signingKeys.policy) as PrivateJwk), clock: { now: () => then, monotonic: () => performance.now() } });
  const stream = { tenant: 'acme', aggregate: ActionProposed.aggregate, id: actionId };
  const sealed = seal(key, actionId, proposedId, { salt: newSalt().toString('base64url'), arguments: JSON.stringify({ to: CANARY }) });
  const actor = { type: 'agent', id: 'outreach-agent' } as const;
  await store.transact({ streams: [stream] }, (tx) =>
    store.append(tx, [
      {
        stream,
        expectedVersion: 0,
        events: [
          { definition: ActionProposed, id: proposedId, data: { action_id: actionId, facts, claimed: {}, arguments_hash: HASH, action_hash: HASH, door: 'http' }, actor, correlationId: actionId, sealed },
          { definition: ActionDenied, data: { action_id: actionId, policy_hash: POLICY_HASH, policy_version: 1, rule_id: 'r', reason: 'no', action_class: actionClass, code: 'POLICY_DENIED' }, actor: { type: 'service', id: 'policy' }, correlationId: actionId },
        ],
      },
    ]),
  );
  return actionId;
};

test('what is older than its class is kept goes, a legal hold keeps it, and the log verifies by the hashes that stay', async () => {
  await world.neighbours.policy.publish({ tenant: 'acme', aggregate: PolicyPublished.aggregate, id: 'acme' }, { definition: PolicyPublished, data: { policy_hash: POLICY_HASH, policy_version: 1, source: 'version: 1\n', canonical: CANONICAL, registered_kinds: [], reason: 'first' }, actor: { type: 'system', id: 'root' } });
  const [old, young, silent, held] = [await denied(200, 'short'), await denied(100, 'short'), await denied(200, 'silent'), await denied(200, 'short')];
  const all = [old, young, silent, held];
  const inTimeline = async (): Promise<readonly string[]> => (await world.rows<{ action_id: string }>("SELECT DISTINCT action_id FROM timeline WHERE name = 'ActionDenied'")).map(({ action_id: id }) => id);
  await world.until('all are logged', async () => (await inTimeline()).length === 4);
  expect((await world.call('POST', '/v1/log/legal-holds', 'root-token', { body: { tenant: 'acme', action_id: held, reason: 'case 4' } })).status).toBe(201);
  const retention = world.service?.app.get(EndRetention) as EndRetention;
  await world.service?.app.get(FollowTimeline).catchUp('acme');

  // The floor holds against a policy that says one day; a class that says nothing is kept for years.
  expect(await retention.run()).toBe(1);
  expect(await retention.run()).toBe(0);
  expect(new Set(await inTimeline())).toEqual(new Set(all.filter((id) => id !== old)));
  await world.until('the end is logged', async () => (await world.rows('SELECT FROM leaf WHERE type = $1', [RetentionEnded.type])).length === 1);

  const { text, report } = await world.judged();
  expect(report.violations).toEqual([]);
  expect(report).toMatchObject({ result: 'valid', notes: expect.arrayContaining([expect.stringContaining('2 leaves are no longer kept')]) });
  const keys = await world.rows<{ wrapped: Buffer | null }>('SELECT wrapped FROM keystore.read_action_keys($1, ARRAY[$2]::uuid[])', ['acme', old]);
  expect(keys.map(({ wrapped }) => wrapped)).toEqual([null]);
  expect((await world.call('GET', `/v1/receipts/${old}`, world.personToken('auditor'))).status).toBe(404);

  // Bytes that are gone without a recorded reason are found.
  const lines = text.trimEnd().split('\n');
  const at = lines.findIndex((line) => line.includes('"bytes_b64"') && Buffer.from((JSON.parse(line) as { bytes_b64: string }).bytes_b64, 'base64').toString('utf8').includes(young));
  const { sequence, ordinal, topic } = JSON.parse(lines[at] ?? '{}') as { sequence: number; ordinal: number; topic: string };
  const [leaf] = await world.rows<{ hash: string }>("SELECT encode(leaf_hash, 'hex') AS hash FROM leaf WHERE tenant = 'acme' AND sequence = $1", [sequence]);
  lines[at] = JSON.stringify({ sequence, leaf_hash: `sha256:${leaf?.hash}`, ordinal, topic });
  expect((await world.verified(lines.join('\n'))).violations).toContainEqual(expect.objectContaining({ invariant: 20, sequence, message: expect.stringContaining('no RetentionEnded') }));

  // What was held goes once it is not.
  expect((await world.call('POST', `/v1/log/legal-holds/${held}/lift`, 'root-token', { body: { tenant: 'acme', reason: 'closed' } })).status).toBe(200);
  await world.until('the lift is logged', async () => (await world.rows("SELECT FROM timeline WHERE name = 'LegalHoldLifted'")).length === 1);
  expect(await retention.run(Date.now() + 181 * DAY_MS)).toBe(2);
});

test('nothing else of a leaf is ever changed, and nothing pruned twice', async () => {
  for (const change of ["bytes = 'x'", "bytes = '', pruned = true", "path = NULL, signature = NULL, bytes = '', pruned = true, topic = 'other'"]) await expect(world.rows(`UPDATE leaf SET ${change} WHERE tenant = 'acme' AND sequence = 0`)).rejects.toThrow('append-only');
  await expect(world.rows("UPDATE leaf SET bytes = '', path = NULL, signature = NULL, pruned = true WHERE tenant = 'acme' AND pruned")).rejects.toThrow('append-only');
  await expect(world.rows('DELETE FROM leaf')).rejects.toThrow('append-only');
});
