import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { Module } from '@nestjs/common';
import { AgentKeyIssued, AgentKeyRevoked, AgentRegistered, EVENT_TOPICS, EventQuarantined, streamKey, type EventDefinition } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import { sha256Text } from '@exequatur/kernel';
import type { Transport } from '@exequatur/messaging';
import { startTestPostgres, type TestPostgres } from '@exequatur/testing';
import { Database } from '../database/database.js';
import { Directory } from '../identity/directory.js';
import { projectDirectory } from '../identity/project-directory.js';
import { until } from '../spec/until.js';
import { FirstTables1700000000000, testInstallation } from '../spec/test-installation.js';
import { createService } from './create-service.js';
import { NO_TENANT } from './quarantine-recorder.js';
import type { RunningService } from './service-definition.js';
import { TRANSPORT } from './tokens.js';

@Module({})
class NothingModule {}

const migrations = [FirstTables1700000000000];

describe('the directory travels by its topic', () => {
  let postgres: TestPostgres;
  let policy: RunningService;
  let reservations: RunningService;
  const token = `exq_agent_${randomBytes(32).toString('base64url')}`;

  /** As policy does: the event and the projection in one transaction. */
  const record = async (agent: string, events: readonly (readonly [EventDefinition, object])[]): Promise<void> => {
    const store = policy.app.get(PgEventStore);
    const stream = { tenant: 'acme', aggregate: 'agent', id: agent };
    await store.transact({ streams: [stream] }, async (tx) => {
      const expectedVersion = (await store.versions(tx, [stream])).get(streamKey(stream)) ?? 0;
      const recorded = await store.append(tx, [{ stream, expectedVersion, events: events.map(([definition, data]) => ({ definition, data, actor: { type: 'person', id: 'admin' } })) }]);
      for (const { envelope } of recorded) await projectDirectory(tx, envelope);
    });
    policy.app.get(Directory).forget();
  };

  beforeAll(async () => {
    postgres = await startTestPostgres();
    const installation = await testInstallation(postgres);
    policy = await createService({ name: 'policy', module: NothingModule, migrations, directory: 'own' }, installation.configOf('policy'));
    reservations = await createService({ name: 'reservations', module: NothingModule, migrations }, installation.configOf('reservations'));
  });
  afterAll(async () => {
    await Promise.all([policy.close(), reservations.close()]);
    await postgres.stop();
  });

  test('an agent registered at policy is known to reservations, and its revoked key is not', async () => {
    await record('outreach', [
      [AgentRegistered, { agent: 'outreach', display_name: 'Outreach', owner: 'olga', scope_prefix: 'tenant:acme/workspace:sales' }],
      [AgentKeyIssued, { agent: 'outreach', key_id: 'k1', key_hash: sha256Text(Buffer.from(token)) }],
    ]);
    const principal = { type: 'agent', tenant: 'acme', id: 'outreach', scopePrefix: 'tenant:acme/workspace:sales', owner: 'olga', keyId: 'k1' };
    expect(await policy.app.get(Directory).authenticate(token)).toEqual(principal);
    await until(async () => (await reservations.app.get(Directory).authenticate(token)) !== undefined);
    expect(await reservations.app.get(Directory).authenticate(token)).toEqual(principal);

    await record('outreach', [[AgentKeyRevoked, { agent: 'outreach', key_id: 'k1' }]]);
    expect(await policy.app.get(Directory).authenticate(token)).toBeUndefined();
    await until(async () => (await reservations.app.get(Directory).authenticate(token)) === undefined);
  });

  test('invariant 12: a directory event that policy did not sign is quarantined, and nobody is let in by it', async () => {
    const forged = `exq_agent_${randomBytes(32).toString('base64url')}`;
    const value = Buffer.from(JSON.stringify({ id: '01900000-0000-7000-8000-000000000001', type: AgentKeyIssued.type, tenant: 'acme', partitionkey: 'acme/agent/mallory', sequence: '0000000001', data: { agent: 'mallory', key_id: 'k1', key_hash: sha256Text(Buffer.from(forged)) } }));
    await policy.app.get<Transport>(TRANSPORT).publisher.publish(EVENT_TOPICS.directory.name, [{ key: 'acme/agent/mallory', value, headers: {} }]);
    const quarantined = (): Promise<{ rows: { tenant: string; bytes: Buffer }[] }> => reservations.app.get(Database).query<{ tenant: string; bytes: Buffer }>('SELECT tenant, bytes FROM event WHERE type = $1', [EventQuarantined.type]);
    await until(async () => (await quarantined()).rows.length > 0);
    const { rows } = await quarantined();
    expect(rows).toHaveLength(1);
    expect(rows[0]?.tenant).toBe(NO_TENANT);
    expect(JSON.parse(rows[0]?.bytes.toString('utf8') ?? '{}')).toMatchObject({ data: { service: 'reservations', topic: EVENT_TOPICS.directory.name, reason: expect.stringContaining('ORIGIN_UNPROVEN') } });
    expect(await reservations.app.get(Directory).authenticate(forged)).toBeUndefined();

    // The service goes on behind it.
    const other = `exq_agent_${randomBytes(32).toString('base64url')}`;
    await record('later', [
      [AgentRegistered, { agent: 'later', display_name: 'Later', scope_prefix: 'tenant:acme' }],
      [AgentKeyIssued, { agent: 'later', key_id: 'k1', key_hash: sha256Text(Buffer.from(other)) }],
    ]);
    await until(async () => (await reservations.app.get(Directory).authenticate(other)) !== undefined);
    await until(async () => (await reservations.ready()).ready);
  });
});
