export { run } from './run.js';
export { EXIT } from './terminal.js';
export type { Terminal } from './terminal.js';
