import type { ServiceName } from '@exequatur/contracts';
import { tolerateConnectionLoss } from '@exequatur/event-store';
import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import type { DataSource } from 'typeorm';

/** What both a transaction of the event store and the pool can do. */
export interface Queryable {
  query<R extends QueryResultRow = QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<R>>;
}

/** The service's own database: its role, its schema first in the search path. One pool serves TypeORM and hand-written SQL. */
export class Database implements Queryable {
  constructor(
    readonly service: ServiceName,
    readonly dataSource: DataSource,
    readonly pool: Pool,
  ) {
    tolerateConnectionLoss(pool);
  }

  /** Schema and service have the same name; the role is `exequatur_<schema>`. */
  get schema(): string {
    return this.service;
  }

  /** One statement on its own. Writes that cause events go through the event store's `transact` instead. */
  query<R extends QueryResultRow = QueryResultRow>(text: string, values?: unknown[]): Promise<QueryResult<R>> {
    return this.pool.query<R>(text, values);
  }

  /** Several reads on one snapshot. */
  async snapshot<T>(read: (tx: PoolClient) => Promise<T>): Promise<T> {
    const client = await this.pool.connect();
    let failed: Error | undefined;
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      const result = await read(client);
      await client.query('COMMIT');
      return result;
    } catch (error) {
      failed = error instanceof Error ? error : new Error('read failed');
      throw error;
    } finally {
      // A client in an unknown state is closed rather than handed to the next request.
      client.release(failed);
    }
  }
}
