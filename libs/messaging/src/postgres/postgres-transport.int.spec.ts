import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { startTestPostgres } from '@exequatur/testing';
import pg from 'pg';
import type { IncomingMessage } from '../port.js';
import { onBusDatabase } from '../spec/bus-database.js';
import type { BusDatabase } from '../spec/bus-database.js';
import { busDdl, busOwners } from './bus-ddl.js';
import { postgresTransport } from './postgres-transport.js';

const TOPIC = 'exequatur.actions.v1';

describe('PostgreSQL transport', () => {
  let database: BusDatabase;
  let admin: pg.Pool;

  beforeAll(async () => {
    database = await onBusDatabase(await startTestPostgres());
    admin = database.admin;
  });
  afterAll(() => database.close());

  test('its DDL may be run again', async () => {
    await admin.query(busDdl({ owners: busOwners((service) => `exequatur_${service}`) }));
    const { rows } = await admin.query('SELECT count(*)::int AS n FROM bus.partition WHERE topic = $1', [TOPIC]);
    expect(rows).toEqual([{ n: 6 }]);
  });

  test('offsets are gapless and appear in order under concurrent publishers', async () => {
    const policy = postgresTransport({ connectionString: database.urlOf('policy'), service: 'policy', maxConnections: 8 });
    const batch = (writer: number) => Array.from({ length: 7 }, (_, n) => ({ key: `acme/action/${(writer * 7 + n) % 11}`, value: Buffer.from(`${writer}`), headers: {} }));
    const published = Array.from({ length: 40 }, (_, writer) => policy.publisher.publish(TOPIC, batch(writer)));
    await Promise.all(published);
    const { rows } = await admin.query<{ messages: number; last: number; next: number }>(
      `SELECT count(*)::int AS messages, max(m."offset")::int + 1 AS last, p.next_offset::int AS next
       FROM bus.message m JOIN bus.partition p USING (topic, partition) WHERE topic = $1 GROUP BY p.partition, p.next_offset`,
      [TOPIC],
    );
    expect(rows.reduce((sum, row) => sum + row.messages, 0)).toBe(280);
    for (const row of rows) expect([row.last, row.next]).toEqual([row.messages, row.messages]);
    await policy.close();
  });

  test('a role publishes on its own topics only', async () => {
    const executor = postgresTransport({ connectionString: database.urlOf('executor'), service: 'executor' });
    await expect(executor.publisher.publish(TOPIC, [{ key: 'acme/action/1', value: Buffer.from('forged'), headers: {} }])).rejects.toThrow('may not be written by this role');
    const direct = new pg.Client({ connectionString: database.urlOf('executor') });
    await direct.connect();
    await expect(direct.query(`INSERT INTO bus.message (topic, partition, "offset", key, value, headers) VALUES ($1, 0, 9999, 'k', 'v', '{}')`, [TOPIC])).rejects.toThrow('row-level security');
    await expect(direct.query('DELETE FROM bus.message')).rejects.toThrow('permission denied');
    await expect(direct.query(`INSERT INTO bus.consumer_offset VALUES ('policy', $1, 0, 1)`, [TOPIC])).rejects.toThrow('row-level security');
    await direct.end();
    await executor.close();
  });

  test('says which topics are missing', async () => {
    const audit = postgresTransport({ connectionString: database.urlOf('audit'), service: 'audit' });
    await expect(audit.ensureTopics([{ name: 'exequatur.nowhere.v1', owner: 'audit', partitions: 1 }])).rejects.toThrow('exequatur.nowhere.v1');
    await audit.close();
  });

  test('delivers soon after publication, without waiting for a poll', async () => {
    const policy = postgresTransport({ connectionString: database.urlOf('policy'), service: 'policy' });
    const audit = postgresTransport({ connectionString: database.urlOf('audit'), service: 'audit', pollMs: 60_000 });
    const got: IncomingMessage[] = [];
    let arrived: () => void = () => undefined;
    const subscription = await audit.subscribe({
      group: 'audit',
      topics: ['exequatur.directory.v1'],
      onBatch: (messages) => {
        got.push(...messages);
        arrived();
        return Promise.resolve();
      },
    });
    for (let n = 0; n < 3; n += 1) {
      const arrival = new Promise<void>((resolve) => (arrived = resolve));
      await policy.publisher.publish('exequatur.directory.v1', [{ key: 'acme/tenant/acme', value: Buffer.from(`${n}`), headers: { traceparent: `t${n}` } }]);
      await arrival;
    }
    expect(got.map(({ value, headers, offset }) => [value.toString(), headers['traceparent'], offset])).toEqual([['0', 't0', '0'], ['1', 't1', '1'], ['2', 't2', '2']]);
    expect(subscription.health()).toMatchObject({ failing: false });
    await audit.close();
    await policy.close();
  });
});
