import type { StreamId } from '@exequatur/contracts';

/** What is locked before any write, in the order of architecture.md "Lock order". The event store's `Locks`. */
export interface InboxLocks {
  readonly fences?: readonly { readonly tenant: string; readonly mode: 'shared' | 'exclusive' }[];
  readonly streams: readonly StreamId[];
}

/** A PostgreSQL transaction as the inbox uses it; a pg client fits. */
export interface SqlTransaction {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly unknown[]; readonly rowCount: number | null }>;
}

/** Runs one statement as a transaction of its own; a pg pool fits. */
export type Statements = SqlTransaction;

/** The part of the event store that the inbox needs: one transaction with its locks. PgEventStore fits. */
export interface InboxStore<Tx extends SqlTransaction> {
  transact<T>(locks: InboxLocks, work: (tx: Tx) => Promise<T>): Promise<T>;
}

export const NO_LOCKS: InboxLocks = { streams: [] };

/** Statements of a store that offers nothing but transactions: three round trips each instead of one. */
export const statementsOf = (store: InboxStore<SqlTransaction>): Statements => ({ query: (text, values) => store.transact(NO_LOCKS, (tx) => tx.query(text, values)) });
