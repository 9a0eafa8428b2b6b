export { CannotOpen } from './cipher.js';
export { InMemoryKeyStore } from './in-memory-key-store.js';
export { ACTION_KEY_CACHE_MS, KeyDestroyed } from './key-store.js';
export type { KeyStore, SqlClient, SqlSender } from './key-store.js';
export { keystoreDdl } from './keystore-ddl.js';
export { PgKeyStore } from './pg-key-store.js';
export type { PgKeyStoreOptions } from './pg-key-store.js';
export { open, openBytes, seal, sealBytes } from './seal.js';
