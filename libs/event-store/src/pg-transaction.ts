import type pg from 'pg';

/** What only reads may do with or without a transaction: a pg client or pool fits. */
export type PgQueries = Pick<pg.ClientBase, 'query'>;

/** What code inside a transaction may use: a pg client without its life cycle, and a way to end without waiting. */
export interface PgTransaction extends PgQueries {
  /**
   * Sends a statement whose answer the work does not need; COMMIT follows it without waiting, and its failure is the
   * transaction's. So it must fail by itself when it did not do what it should: nobody looks at its row count (see MUST).
   */
  readonly send: (statement: pg.QueryConfig) => void;
}

/** For statements that are sent: `SELECT must(condition, 'what does not hold')` fails the transaction. Part of `eventStoreDdl`. */
export const MUST = `
CREATE FUNCTION must(holds boolean, otherwise text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF holds IS NOT TRUE THEN
    RAISE EXCEPTION '%', otherwise USING ERRCODE = 'integrity_constraint_violation';
  END IF;
END
$$;
`;

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

const COMMIT = { name: 'transaction-commit', text: 'COMMIT' };

const LOCK_NOT_AVAILABLE = '55P03';

const tolerant = new WeakSet<pg.Pool | pg.PoolClient>();
const ignore = (): void => undefined;

/**
 * A client in use has no error listener of its pool; losing its connection then would end the process. The query rejects anyway.
 * Attached at the moment the pool hands it out: the server may say goodbye in the same packet that made the client ready, before
 * whoever asked for it runs again.
 */
export const tolerateConnectionLoss = (pool: pg.Pool): void => {
  if (tolerant.has(pool)) return;
  tolerant.add(pool);
  pool.on('acquire', (client) => {
    if (tolerant.has(client)) return;
    tolerant.add(client);
    client.on('error', ignore);
  });
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

/** Handled by whoever waits for it in the end; until then it must not end the process. */
const awaitedLater = <T>(promise: Promise<T>): Promise<T> => {
  promise.catch(() => undefined);
  return promise;
};

/** The work may have failed only because the opening had: the first failure is the telling one. No statement comes after it. */
const tellingFailure = async (opened: Promise<unknown>, failure: unknown): Promise<never> => {
  await opened;
  throw failure;
};

const IN_FAILED_TRANSACTION = '25P02';
const isAftermath = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === IN_FAILED_TRANSACTION;

/**
 * Results of statements that were sent one after another without waiting. Settles only when all of them have: a statement must
 * never follow the rollback that an earlier one's failure leads to. @throws the first failure, in the order given, that is not
 * only the aftermath of another: one that asks again on what it was answered may fail because a later one had failed before
 */
export const pipelined = async <T extends readonly unknown[]>(...statements: { readonly [K in keyof T]: Promise<T[K]> }): Promise<T> => {
  const failures = (await Promise.allSettled(statements)).flatMap((outcome): unknown[] => (outcome.status === 'rejected' ? [outcome.reason] : []));
  const cause = failures.find((failure) => !isAftermath(failure));
  if (cause !== undefined) throw cause;
  return Promise.all(statements) as unknown as Promise<T>;
};

/**
 * `opening` (BEGIN and what follows it), the work, COMMIT. Neither waits for the one before, but as the work itself does: on a
 * pipelining connection PostgreSQL runs them in order, and after a failure it refuses the rest. A throw rolls back; a client
 * that cannot even roll back is thrown away. After a lost COMMIT nobody knows the result: the error is passed on and the caller's
 * idempotency rows decide.
 */
export const inTransaction = async <T>(pool: pg.Pool, opening: readonly (string | pg.QueryConfig | undefined)[], work: (tx: PgTransaction, opened: Promise<unknown>) => Promise<T>): Promise<T> => {
  const client = await pool.connect();
  const sent: Promise<unknown>[] = [];
  const tx: PgTransaction = {
    query: client.query.bind(client) as pg.ClientBase['query'],
    send: (statement) => void sent.push(awaitedLater(client.query(statement))),
  };
  let usable = false;
  try {
    const opened = awaitedLater(pipelined(...opening.flatMap((statement) => (statement === undefined ? [] : [client.query(statement)]))));
    const result = await work(tx, opened).catch((failure: unknown) => tellingFailure(opened, failure));
    const committed = awaitedLater(client.query(COMMIT));
    await opened;
    await Promise.all(sent);
    const { command } = await committed;
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
