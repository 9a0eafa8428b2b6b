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

/** The part of pg's connection that holds back what is written until it is uncorked. */
interface Wire {
  readonly connection: { readonly stream: { cork(): void; uncork(): void } };
}

/**
 * A pg client that costs little a statement:
 * - it prepares every statement with parameters once a connection: parsing and planning cost more than most of our
 *   statements' execution. PostgreSQL plans anew by itself when statistics or tables change;
 * - it is pipelined: statements go out without waiting for the answers of those before them (PostgreSQL runs them in order,
 *   each in a message flow of its own, so after a failure in a transaction the later ones fail too);
 * - all that is asked in one turn of the event loop leaves in one write: a write to a socket costs more than most of our
 *   statements take to be encoded.
 */
export class PreparingClient extends pg.Client {
  private corked = false;

  constructor(config?: string | pg.ClientConfig) {
    super({ ...(typeof config === 'string' ? { connectionString: config } : config), pipeline: true });
  }

  override query = ((first: unknown, values?: unknown, ...rest: unknown[]): unknown => {
    const run = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => unknown;
    this.writeTogether();
    if (typeof first !== 'string' || !Array.isArray(values) || values.length === 0) return run.call(this, first, values, ...rest);
    const name = nameOf(first);
    return name === undefined ? run.call(this, first, values, ...rest) : run.call(this, { name, text: first, values }, ...rest);
  }) as pg.Client['query'];

  private writeTogether(): void {
    if (this.corked) return;
    const { stream } = (this as unknown as Wire).connection;
    this.corked = true;
    stream.cork();
    process.nextTick(() => {
      this.corked = false;
      stream.uncork();
    });
  }
}
