export { createDatabase, DATABASE } from './database.js';
export * from './standalone.js';
export * from './environment.js';
export * from './secrets.js';
export * from './seed.js';
export * from './topology.js';
export { readOptions } from './options.js';
export { serviceFor } from './front.js';
