import { randomUUID } from 'node:crypto';
import type { Topic } from '@exequatur/contracts';
import { startTestPostgres } from '@exequatur/testing';
import { onBusDatabase } from '../spec/bus-database.js';
import { runTransportContract } from '../spec/transport.contract.js';
import { busDdl } from './bus-ddl.js';
import { postgresTransport } from './postgres-transport.js';

/** As in production: renewed three times in it, which a loaded machine manages. */
const TAKE_OVER_MS = 5_000;

runTransportContract('PostgreSQL', 180_000, async () => {
  const database = await onBusDatabase(await startTestPostgres());
  const options = { connectionString: database.urlOf('policy'), service: 'policy', leaseMs: TAKE_OVER_MS, pollMs: 100 };
  return {
    recipe: { kind: 'postgres', options },
    makeReplaceable: () => postgresTransport(options),
    make: () => postgresTransport({ ...options, leaseMs: 60_000 }),
    createTopic: async (partitions) => {
      const topic: Topic = { name: `exequatur.spec-${randomUUID()}.v1`, owner: 'policy', partitions };
      await database.admin.query(busDdl({ owners: [{ role: 'exequatur_policy', group: 'policy', topics: [topic] }] }));
      return topic;
    },
    takeOverMs: TAKE_OVER_MS,
    outage: async () => {
      await database.admin.query('ALTER ROLE exequatur_policy NOLOGIN');
      await database.cut('policy');
      return { end: async () => void (await database.admin.query('ALTER ROLE exequatur_policy LOGIN')) };
    },
    close: () => database.close(),
  };
});
