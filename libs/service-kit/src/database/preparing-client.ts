import { createHash } from 'node:crypto';
import pg from 'pg';

/** Statements a connection keeps prepared; our SQL texts are constants, so this is never reached but by a mistake. */
const MAX_PREPARED = 500;

const names = new Map<string, string>();

const nameOf = (text: string): string | undefined => {
  const known = names.get(text);
  if (known !== undefined || names.size >= MAX_PREPARED) return known;
  const name = createHash('sha256').update(text).digest('hex').slice(0, 32);
  names.set(text, name);
  return name;
};

interface SentQuery {
  readonly name?: string;
  handleError(error: Error, connection: Connection): void;
}

/** The part of pg's connection (8.23.1) that writes messages of the protocol. */
interface Connection {
  readonly stream: { cork(): void; uncork(): void };
  readonly parsedStatements: Readonly<Record<string, string>>;
  readonly submittedNamedStatements: Record<string, string>;
  sync(): void;
  query(text: string): void;
  close(message: object): void;
}

/** The part of pg's client (8.23.1) that hears messages of the protocol. */
interface Hearing {
  readonly connection: Connection;
  readonly _sentQueryQueue: SentQuery[];
  _getActiveQuery(): SentQuery | null;
  _handleReadyForQuery(message: { readonly status: string }): void;
  _handleCommandComplete(message: object): void;
  _handleEmptyQuery(message: object): void;
  _handleErrorMessage(message: Error): void;
}

const heard = pg.Client.prototype as unknown as Hearing;

/** What PostgreSQL itself says to statements after a failed one: https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-EXT-QUERY */
const IN_FAILED_TRANSACTION = '25P02';
const skipped = (): Error => Object.assign(new Error('not run: an earlier statement of its flight failed'), { code: IN_FAILED_TRANSACTION });

/**
 * A pg client that costs little a statement:
 * - it prepares every statement with parameters once a connection: parsing and planning cost more than most of our
 *   statements' execution. PostgreSQL plans anew by itself when statistics or tables change;
 * - it is pipelined: statements go out without waiting for the answers of those before them; PostgreSQL runs them in order;
 * - all that is asked in one turn of the event loop is one flight: it leaves in one write and ends with one Sync, so its answers
 *   come in one read as well. A write, or a wake-up for an answer, costs more than most of our statements. After a failure
 *   PostgreSQL skips the rest of a flight; its statements fail with 25P02, as in a transaction block that has failed.
 */
export class PreparingClient extends pg.Client {
  private gathering = false;
  private closed = false;
  /** One for each statement that waits for its answer, in order: whether a Sync follows it, so that "ready" will be heard. */
  private readonly flying: { synced: boolean }[] = [];
  private readonly syncNow: () => void;

  constructor(config?: string | pg.ClientConfig) {
    super({ ...(typeof config === 'string' ? { connectionString: config } : config), pipeline: true });
    const { connection } = this as unknown as Hearing;
    const [sync, query, close] = [connection.sync.bind(connection), connection.query.bind(connection), connection.close.bind(connection)];
    this.syncNow = sync;
    connection.sync = () => {
      // What closes its statement again has no other answer than "ready".
      const synced = !this.gathering || this.closed;
      this.closed = false;
      this.flying.push({ synced });
      if (synced) sync();
    };
    connection.query = (text) => {
      this.endFlight();
      this.flying.push({ synced: true });
      query(text);
    };
    connection.close = (message) => {
      this.closed = true;
      close(message);
    };
  }

  override query = ((first: unknown, values?: unknown, ...rest: unknown[]): unknown => {
    const run = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => unknown;
    this.gather();
    if (typeof first !== 'string' || !Array.isArray(values) || values.length === 0) return run.call(this, first, values, ...rest);
    const name = nameOf(first);
    return name === undefined ? run.call(this, first, values, ...rest) : run.call(this, { name, text: first, values }, ...rest);
  }) as pg.Client['query'];

  private gather(): void {
    if (this.gathering) return;
    const { stream } = (this as unknown as Hearing).connection;
    this.gathering = true;
    stream.cork();
    process.nextTick(() => {
      this.gathering = false;
      this.endFlight();
      stream.uncork();
    });
  }

  private endFlight(): void {
    const last = this.flying.at(-1);
    if (last === undefined || last.synced) return;
    last.synced = true;
    this.syncNow();
  }

  protected _handleReadyForQuery(message: { readonly status: string }): void {
    if (this.activeQuery() !== null) this.flying.shift();
    heard._handleReadyForQuery.call(this, message);
  }

  protected _handleCommandComplete(message: object): void {
    heard._handleCommandComplete.call(this, message);
    this.goOn();
  }

  protected _handleEmptyQuery(message: object): void {
    heard._handleEmptyQuery.call(this, message);
    this.goOn();
  }

  /** A statement in the middle of a flight is over with its answer. */
  private goOn(): void {
    if (this.flying[0]?.synced === false) this._handleReadyForQuery({ status: 'T' });
  }

  protected _handleErrorMessage(error: Error): void {
    const failed = this.activeQuery() === null ? undefined : this.flying.shift();
    heard._handleErrorMessage.call(this, error);
    for (let last = failed; last?.synced === false; last = this.flying.shift()) this.skipNext();
  }

  private skipNext(): void {
    const { connection, _sentQueryQueue } = this as unknown as Hearing;
    const query = _sentQueryQueue.shift();
    if (query?.name !== undefined && connection.parsedStatements[query.name] === undefined) Reflect.deleteProperty(connection.submittedNamedStatements, query.name);
    query?.handleError(skipped(), connection);
  }

  private activeQuery(): SentQuery | null {
    return (this as unknown as Hearing)._getActiveQuery();
  }
}
