import { isError } from '../problem/is-error.js';

/**
 * What an error of the database means for whoever ran the transaction:
 * `waited`: rolled back while waiting for locks (lock timeout 55P03, deadlock 40P01, serialisation 40001); a retry may work.
 * `unavailable`: the connection or the server is gone; a COMMIT under way may or may not have happened.
 * `other`: the same statement would fail again, or it is no database error.
 */
export type FaultKind = 'waited' | 'unavailable' | 'other';

const WAITED = new Set(['55P03', '40P01', '40001']);
/** Class 08 connection, 53 resources (too many connections, disk full), 57P01–57P05 shutdown, crash, starting up; 58 I/O, XX corrupted or panicking. */
const UNAVAILABLE_CLASSES = new Set(['08', '53', '58', 'XX']);
/** A read-only server is a standby after a failover; 57014 is our own statement timeout. */
const UNAVAILABLE = new Set(['57P01', '57P02', '57P03', '57P04', '57P05', '57014', '25006', '25P03', '28000', '28P01', '3D000', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENOTFOUND', 'EAI_AGAIN']);
/** pg raises these without a code. */
const LOST_CONNECTION = /^(Connection terminated|Connection ended|timeout exceeded when trying to connect|Client has encountered a connection error|Client was closed|Cannot use a pool after calling end|Query read timeout)/;

export const faultKind = (error: unknown): FaultKind => {
  if (!isError(error)) return 'other';
  // TypeORM wraps the driver's error, LockTimeout has it as its cause; an AggregateError holds one for each address tried.
  const inner: unknown = 'driverError' in error ? error.driverError : 'errors' in error && Array.isArray(error.errors) ? error.errors[0] : error.cause;
  if (isError(inner)) return faultKind(inner);
  const code = 'code' in error && typeof error.code === 'string' ? error.code : '';
  if (WAITED.has(code)) return 'waited';
  if (UNAVAILABLE.has(code) || (/^[0-9A-Z]{5}$/.test(code) && UNAVAILABLE_CLASSES.has(code.slice(0, 2)))) return 'unavailable';
  return LOST_CONNECTION.test(error.message) ? 'unavailable' : 'other';
};
