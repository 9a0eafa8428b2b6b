/** The part of a pg client or pool that is used here. */
export interface SqlClient {
  query<Row extends object = Record<string, unknown>>(text: string, values?: unknown[]): Promise<{ readonly rows: Row[]; readonly rowCount: number | null }>;
}

/** A transaction that can also be told a statement without waiting for its answer; its failure is the transaction's. */
export interface SqlSender extends SqlClient {
  readonly send: (statement: { name: string; text: string; values: unknown[] }) => void;
}

/**
 * One AES-256 data key per action: the unit of erasure. A key that was destroyed never comes back, so nothing new can be
 * sealed for an erased action either.
 *
 * `sql` is the caller's transaction: keys made in it exist when it commits. Without it each call is its own transaction.
 * The in-memory adapter ignores it.
 */
export interface KeyStore {
  /** undefined: never made, or destroyed. */
  actionKey(tenant: string, actionId: string, sql?: SqlClient): Promise<Buffer | undefined>;
  /** The keys that exist, by action id; one round trip. */
  actionKeys(tenant: string, actionIds: readonly string[], sql?: SqlClient): Promise<ReadonlyMap<string, Buffer>>;
  /** Makes the key, or gives the one there is. @throws KeyDestroyed */
  createActionKey(tenant: string, actionId: string, sql?: SqlClient): Promise<Buffer>;
  /** The same for a batch; one round trip. @throws KeyDestroyed when one of them was */
  createActionKeys(tenant: string, actionIds: readonly string[], sql?: SqlClient): Promise<ReadonlyMap<string, Buffer>>;
  /** Keys of actions that begin in this transaction, under ids drawn for them just now; no round trip. An id that is known makes the commit fail. */
  newActionKeys(tenant: string, actionIds: readonly string[], tx: SqlSender): Promise<ReadonlyMap<string, Buffer>>;
  /**
   * For ever, also when there was no key yet; again is no error. Other processes may hold the key in memory for
   * ACTION_KEY_CACHE_MS more.
   */
  destroyActionKey(tenant: string, actionId: string, sql?: SqlClient): Promise<void>;
}

/** The action was erased: nothing can be sealed or opened for it. */
export class KeyDestroyed extends Error {
  override readonly name = 'KeyDestroyed';
  constructor(readonly actionId: string) {
    super(`the data key of action ${actionId} was destroyed`);
  }
}

export const ACTION_KEY_CACHE_MS = 10_000;
