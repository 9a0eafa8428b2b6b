import { startTestPostgres } from '@exequatur/testing';
import { onBusDatabase } from '../spec/bus-database.js';
import { runStrategyContract } from '../spec/strategy.contract.js';
import { postgresTransport } from './postgres-transport.js';

runStrategyContract('PostgreSQL', 180_000, async () => {
  const database = await onBusDatabase(await startTestPostgres());
  return {
    database,
    transportOf: (service) => postgresTransport({ connectionString: database.urlOf(service), service, pollMs: 100 }),
    close: () => database.close(),
  };
});
