import { Injectable } from '@nestjs/common';
import { name, object } from '@exequatur/contracts';
import type { Shape } from '@exequatur/contracts';
import { Database, problem, shaped, type PersonPrincipal, type Queryable } from '@exequatur/service-kit';
import { filterFields, sortField } from './list-query.js';

/** What a saved view remembers: filters and the order, never a place in the list. */
export const viewQuery = object({ ...filterFields, sort: sortField() });
export type ViewQuery = Shape<typeof viewQuery>;
export const saveBody = object({ name: name(), query: viewQuery });

export interface SavedView {
  readonly name: string;
  readonly query: ViewQuery;
}

/** Views a person keeps at most. */
export const MOST_VIEWS = 50;
const SAVE = `INSERT INTO saved_view (tenant, person, name, query) VALUES ($1, $2, $3, $4)
ON CONFLICT (tenant, person, name) DO UPDATE SET query = excluded.query, saved_at = clock_timestamp()`;

/** Filters that a person uses again, under a name of their own. They widen nothing: who sees what is judged when the list is read. */
@Injectable()
export class SavedViews {
  constructor(private readonly database: Database) {}

  async list({ tenant, id }: PersonPrincipal): Promise<readonly SavedView[]> {
    const { rows } = await this.database.query<{ name: string; query: unknown }>('SELECT name, query FROM saved_view WHERE tenant = $1 AND person = $2 ORDER BY name', [tenant, id]);
    return rows.map((row) => ({ name: row.name, query: shaped(viewQuery, row.query) }));
  }

  /** @throws Problem NOT_FOUND */
  async query({ tenant, id }: PersonPrincipal, viewName: string): Promise<ViewQuery> {
    const { rows } = await this.database.query<{ query: unknown }>('SELECT query FROM saved_view WHERE tenant = $1 AND person = $2 AND name = $3', [tenant, id, viewName]);
    return rows[0] === undefined ? problem('NOT_FOUND') : shaped(viewQuery, rows[0].query);
  }

  /** Saves or replaces. @throws Problem CONFLICT when there are enough */
  async save(tx: Queryable, { tenant, id }: PersonPrincipal, { name: viewName, query }: SavedView): Promise<void> {
    const { rows } = await tx.query<{ n: number }>('SELECT count(*)::int AS n FROM saved_view WHERE tenant = $1 AND person = $2 AND name <> $3', [tenant, id, viewName]);
    if ((rows[0]?.n ?? 0) >= MOST_VIEWS) problem('CONFLICT', `a person keeps at most ${MOST_VIEWS} views`);
    await tx.query(SAVE, [tenant, id, viewName, JSON.stringify(query)]);
  }

  /** @throws Problem NOT_FOUND */
  async remove(tx: Queryable, { tenant, id }: PersonPrincipal, viewName: string): Promise<void> {
    const { rows } = await tx.query('DELETE FROM saved_view WHERE tenant = $1 AND person = $2 AND name = $3 RETURNING name', [tenant, id, viewName]);
    if (rows.length === 0) problem('NOT_FOUND');
  }
}
