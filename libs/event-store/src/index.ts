export * from './port.js';
export { buildEnvelope, dataSchemaOf, serialise, sequenceOf, sourceOf, topicOf } from './envelope.js';
export { InvalidEvent, UnknownEventType, assertValidEvent, assertValidSealed } from './validation.js';
export { eventStoreDdl } from './ddl.js';
export { PgEventStore, type PgEventStoreOptions } from './pg-event-store.js';
export { LockTimeout, TransactionWasAborted, type PgTransaction } from './pg-transaction.js';
export { InMemoryEventStore, type InMemoryTransaction } from './in-memory-event-store.js';
