/** A small witness: cosigns tree heads of logs it watches, and never two histories of one. */
export { keysFor, readWatchedLogs, WatchedLogsError, type WatchedLog } from './watched-logs.js';
export { MemoryError, nameOfLog, WitnessMemory, type RememberedHead } from './witness-memory.js';
export { createIdentity, publicText, readIdentity } from './witness-key.js';
export { serveWitness, type RunningWitness } from './serve-witness.js';
export { Witness, type WitnessAnswer, type WitnessIdentity } from './witness.js';
