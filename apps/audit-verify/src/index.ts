/** Offline verification of an exported log, and the invariants over its events; imports no service. */
export { verifyExport, type VerifyOptions } from './export/verify-export.js';
export { LeafMemory } from './export/leaf-memory.js';
export { EXPORT_END_TYPE, EXPORT_FORMAT, type ExportEnd, type ExportHeader, type ExportLeaf } from './export/export-lines.js';
export { logOrigin } from './export/tree-heads.js';
export { verifyReceipt, type VerifyReceiptOptions } from './receipt/verify-receipt.js';
export { witnessKeyOf, WitnessKeyError, type WitnessedHead } from './witnesses.js';
export { checkInvariants, INVARIANTS } from './invariants/index.js';
export { EventLog, type LogOptions } from './log/event-log.js';
export { readEvent, type LogEvent, type ReadEvent } from './log/log-event.js';
export type { Finding, Invariant } from './invariants/finding.js';
export type { Report, ReportCounts, Violation } from './report.js';
