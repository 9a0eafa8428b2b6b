import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { streamKey } from '@exequatur/contracts';
import { startTestPostgres } from '@exequatur/testing';
import type pg from 'pg';
import { PgEventStore } from './pg-event-store.js';
import { readAll } from './read-all.js';
import { startRelay } from './relay/relay.js';
import type { Relay } from './relay/relay.js';
import { RestoredLog, restampRestoredLog } from './restored-log.js';
import { actionStream, signingKey, withdrawn } from './spec/fixtures.js';
import { onPolicyDatabase } from './spec/policy-database.js';
import type { PolicyDatabase } from './spec/policy-database.js';
import { RecordingPublisher } from './spec/recording-publisher.js';
import { eventually } from './spec/waiting.js';

let database: PolicyDatabase;
let pool: pg.Pool;
let store: PgEventStore;
let relay: Relay | undefined;
beforeAll(async () => {
  database = await onPolicyDatabase(await startTestPostgres());
  pool = database.pool();
  store = new PgEventStore({ pool, service: 'policy', signingKey });
});
afterAll(async () => {
  await relay?.stop();
  await database.close();
});

/** Numbers as another, older cluster would have drawn them: far ahead, and not in the order of position. */
const asIfRestored = async (): Promise<void> => {
  await pool.query(`
    ALTER TABLE event DISABLE TRIGGER event_is_append_only;
    UPDATE event SET xid = ((xid::text)::bigint + 1000000000)::text::xid8, position = 1000 - position;
    UPDATE relay_cursor SET xid = ((xid::text)::bigint + 1000000000)::text::xid8, position = 1000 - position;
    ALTER TABLE event ENABLE TRIGGER event_is_append_only`);
};

test('invariant 20: a log restored into another cluster stops, and goes on without loss once re-stamped', async () => {
  const stream = actionStream();
  const append = (expectedVersion: number): Promise<unknown> => store.transact({ streams: [stream] }, (tx) => store.append(tx, [{ stream, expectedVersion, events: [withdrawn(String(expectedVersion + 1))] }]));
  const broker = new RecordingPublisher();
  const start = (onError?: (error: unknown) => void): Relay => startRelay({ pool, store, publisher: broker, pollMs: 20, headsMs: 60_000, ...(onError ? { onError } : {}) });
  for (const version of [0, 1, 2]) await append(version);
  relay = start();
  await eventually('three are published', () => broker.facts.length === 3);
  await relay.stop();
  for (const version of [3, 4]) await append(version);
  await asIfRestored();

  await expect(append(5)).rejects.toThrow(RestoredLog);
  const errors: unknown[] = [];
  relay = start((error) => void errors.push(error));
  await eventually('the relay refuses', () => errors.length > 0);
  expect([errors[0] instanceof RestoredLog, relay.health().failing, broker.facts.length]).toEqual([true, true, 3]);
  await relay.stop();

  const operator = await pool.connect();
  await operator.query('BEGIN');
  await restampRestoredLog(operator);
  await operator.query('COMMIT');
  operator.release();

  await append(5);
  relay = start();
  await eventually('the other three are published', () => broker.facts.length === 6);
  expect(broker.versionsByKey().get(streamKey(stream))).toEqual([1, 2, 3, 4, 5, 6]);
  const versions: number[] = [];
  for await (const chunk of readAll(pool)) for (const { recorded } of chunk) if (recorded.envelope.subject === stream.id) versions.push(recorded.version);
  expect(versions).toEqual([1, 2, 3, 4, 5, 6]);
  await expect(pool.query('DELETE FROM event')).rejects.toThrow('append-only');
});
