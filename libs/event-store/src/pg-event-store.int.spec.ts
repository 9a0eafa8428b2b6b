import { runEventStoreContract } from './spec/event-store.contract.js';
import { signingKey } from './spec/fixtures.js';
import { PgEventStore } from './pg-event-store.js';
import { startPolicyDatabase } from './spec/policy-database.js';

runEventStoreContract('PostgreSQL', async () => {
  const database = await startPolicyDatabase();
  return { store: new PgEventStore({ pool: database.pool(), service: 'policy', signingKey }), close: () => database.close() };
});
