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

/**
 * A pg client that prepares every statement with parameters once a connection: parsing and planning cost more than most of
 * our statements' execution. PostgreSQL plans anew by itself when statistics or tables change.
 */
export class PreparingClient extends pg.Client {
  override query = ((first: unknown, values?: unknown, ...rest: unknown[]): unknown => {
    const run = pg.Client.prototype.query as (this: pg.Client, ...args: unknown[]) => unknown;
    if (typeof first !== 'string' || !Array.isArray(values) || values.length === 0) return run.call(this, first, values, ...rest);
    const name = nameOf(first);
    return name === undefined ? run.call(this, first, values, ...rest) : run.call(this, { name, text: first, values }, ...rest);
  }) as pg.Client['query'];
}
