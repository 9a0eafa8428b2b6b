import type pg from 'pg';

/** What code inside a transaction may use: a pg client without its life cycle. */
export type PgTransaction = Pick<pg.ClientBase, 'query'>;

/** A lock was not had within lock_timeout; everything was rolled back and the work may be tried again. */
export class LockTimeout extends Error {
  constructor(options: ErrorOptions) {
    super('a lock was not had in time', options);
    this.name = 'LockTimeout';
  }
}

/** PostgreSQL answered COMMIT with ROLLBACK: a statement had failed before and its error was swallowed. */
export class TransactionWasAborted extends Error {
  constructor() {
    super('the transaction had failed before its commit and was rolled back');
    this.name = 'TransactionWasAborted';
  }
}

const LOCK_NOT_AVAILABLE = '55P03';

const listening = new WeakSet<pg.ClientBase>();

/** A client in use has no error listener of its pool; losing its connection then would end the process. The query rejects anyway. */
export const tolerateConnectionLoss = (client: pg.ClientBase): void => {
  if (listening.has(client)) return;
  listening.add(client);
  client.on('error', () => undefined);
};

const rollBack = async (client: pg.PoolClient): Promise<boolean> => {
  try {
    await client.query('ROLLBACK');
    return true;
  } catch {
    return false;
  }
};

const asLockTimeout = (error: unknown): unknown =>
  error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE ? new LockTimeout({ cause: error }) : error;

/**
 * `opening` (BEGIN and what follows it), the work, COMMIT. A throw rolls back; a client that cannot even roll back is thrown
 * away. After a lost COMMIT nobody knows the result: the error is passed on and the caller's idempotency rows decide.
 */
export const inTransaction = async <T>(pool: pg.Pool, opening: string, work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
  const client = await pool.connect();
  tolerateConnectionLoss(client);
  let usable = false;
  try {
    await client.query(opening);
    const result = await work(client);
    const { command } = await client.query('COMMIT');
    usable = true;
    if (command !== 'COMMIT') throw new TransactionWasAborted();
    return result;
  } catch (error) {
    usable ||= await rollBack(client);
    throw asLockTimeout(error);
  } finally {
    client.release(!usable);
  }
};
