import { runEventStoreContract } from './spec/event-store.contract.js';
import { signingKey } from './spec/fixtures.js';
import { InMemoryEventStore } from './in-memory-event-store.js';

runEventStoreContract('in memory', () => Promise.resolve({ store: new InMemoryEventStore({ service: 'policy', signingKey }), close: () => Promise.resolve() }));
