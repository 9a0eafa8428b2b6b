import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { newId } from '@exequatur/kernel';
import { startTestPostgres } from '@exequatur/testing';
import { PgEventStore } from './pg-event-store.js';
import { readAll } from './read-all.js';
import type { Relay } from './relay/relay.js';
import { startRelay } from './relay/relay.js';
import { actionStream, policyKey, signingKey } from './spec/fixtures.js';
import { onPolicyDatabase } from './spec/policy-database.js';
import type { PolicyDatabase } from './spec/policy-database.js';
import { RecordingPublisher } from './spec/recording-publisher.js';
import { startChild } from './spec/start-child.js';
import type { Child } from './spec/start-child.js';
import { eventually, pauseMs } from './spec/waiting.js';

/** Processes start slowly on a busy machine. */
const PROCESSES_MS = 120_000;

describe('several processes', () => {
  let database: PolicyDatabase;
  let store: PgEventStore;
  const children: Child[] = [];
  beforeAll(async () => {
    database = await onPolicyDatabase(await startTestPostgres());
    store = new PgEventStore({ pool: database.pool(), service: 'policy', signingKey });
  });
  afterAll(async () => {
    for (const child of children) child.process.kill('SIGKILL');
    await Promise.all(children.map((child) => child.ended));
    await database.close();
  });

  const start = async (role: 'write' | 'relay', streams: ReturnType<typeof actionStream>[], attempts = 0): Promise<Child> => {
    const child = await startChild({ role, url: database.url, key: policyKey.privateJwk, streams, attempts });
    children.push(child);
    return child;
  };
  const idsIn = (tenant: string): Promise<string[]> =>
    database.pool(1).query<{ event_id: string }>("SELECT event_id FROM event WHERE tenant = $1 AND aggregate = 'action'", [tenant]).then(({ rows }) => rows.map((row) => row.event_id));

  test('invariant 19: writers that race for the same versions have one winner each, and the log keeps each stream in order', async () => {
    const tenant = `t-${newId()}`;
    const streams = [actionStream(tenant), actionStream(tenant)];
    const writers = await Promise.all(Array.from({ length: 3 }, () => start('write', streams, 60)));
    for (const writer of writers) writer.go();
    expect(await Promise.all(writers.map((writer) => writer.ended))).toEqual([0, 0, 0]);
    const outcomes = writers.flatMap((writer) => writer.reports).flatMap((report) => ('written' in report ? [report] : []));
    // The race must have happened, or this shows nothing.
    expect(outcomes.reduce((sum, { conflicts }) => sum + conflicts, 0)).toBeGreaterThan(0);
    const written = outcomes.flatMap((outcome) => outcome.written);
    expect((await idsIn(tenant)).sort()).toEqual([...written].sort());
    const versions = new Map<string, number[]>();
    for await (const chunk of readAll(database.pool(1))) {
      for (const { recorded } of chunk.filter(({ recorded }) => recorded.envelope.tenant === tenant)) versions.set(recorded.envelope.subject, [...(versions.get(recorded.envelope.subject) ?? []), recorded.version]);
    }
    const inOrder = [...versions.values()].map((found) => found.every((version, index) => version === index + 1));
    expect(inOrder).toEqual([true, true]);
    expect([...versions.values()].flat()).toHaveLength(written.length);
  }, PROCESSES_MS);

  test('invariant 20: kill -9 of the relay, again and again while events are written, loses none and keeps each stream in order', async () => {
    const tenant = `t-${newId()}`;
    const streams = Array.from({ length: 4 }, () => actionStream(tenant));
    const [writer, ...doomed] = await Promise.all([start('write', streams, 400), start('relay', []), start('relay', []), start('relay', [])]);
    const broker = new RecordingPublisher();
    writer.go();
    for (const relay of doomed) {
      relay.go();
      await eventually('it publishes', () => relay.reports.length > 0, 30_000);
      await pauseMs(Math.random() * 60);
      relay.process.kill('SIGKILL');
      expect(await relay.ended).toBeNull();
      for (const report of relay.reports) {
        if ('topic' in report) await broker.publish(report.topic, report.values.map((value) => ({ key: '', headers: {}, value: Buffer.from(value, 'base64') })));
      }
    }
    expect(await writer.ended).toBe(0);
    const last: Relay = startRelay({ pool: database.pool(), store, publisher: broker, pollMs: 20 });
    const arrived = (): Set<string> => new Set(broker.facts.filter(({ envelope }) => envelope.tenant === tenant).map(({ envelope }) => envelope.id));
    await eventually('all arrive', () => arrived().size === 400, 30_000);
    await last.stop();
    expect([...arrived()].sort()).toEqual((await idsIn(tenant)).sort());
    const seen = new Set<string>();
    for (const stream of streams) {
      const versions = broker.facts.filter(({ envelope }) => envelope.subject === stream.id && !seen.has(envelope.id) && seen.add(envelope.id)).map(({ envelope }) => Number(envelope.sequence));
      expect(versions).toEqual(Array.from({ length: 100 }, (_, index) => index + 1));
    }
  }, PROCESSES_MS);
});
