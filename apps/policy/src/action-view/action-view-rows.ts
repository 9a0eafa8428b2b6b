import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { Queryable } from '@exequatur/service-kit';
import type { ActionView } from './action-view.js';

export interface NewView {
  readonly view: ActionView;
  readonly idempotencyKey: string | null;
}

/** Sends the rows of new actions, in the transaction of their events. */
export const sendViews = (tx: PgTransaction, views: readonly NewView[]): void =>
  tx.send({
    name: 'action-view-insert',
    text: `INSERT INTO action_view (tenant, action_id, agent, run_id, status, idempotency_key, document, follows)
     SELECT tenant, action_id, agent, run_id, status, idempotency_key, document::json, follows
     FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[]) AS new (tenant, action_id, agent, run_id, status, idempotency_key, document, follows)`,
    values: [
      pgArray.text(views.map(({ view }) => view.tenant)),
      pgArray.uuid(views.map(({ view }) => view.action_id)),
      pgArray.text(views.map(({ view }) => view.agent)),
      pgArray.text(views.map(({ view }) => view.facts.run_id)),
      pgArray.text(views.map(({ view }) => view.status)),
      pgArray.text(views.map(({ idempotencyKey }) => idempotencyKey)),
      pgArray.text(views.map(({ view }) => JSON.stringify(view))),
      pgArray.uuid(views.map(({ view }) => view.follows ?? null)),
    ],
  });

/** The action that this one was decided anew as. */
export const followerOf = async (db: Queryable, tenant: string, actionId: string): Promise<string | undefined> =>
  (await db.query<{ action_id: string }>('SELECT action_id FROM action_view WHERE tenant = $1 AND follows = $2', [tenant, actionId])).rows[0]?.action_id;

export const viewRow = async (db: Queryable, tenant: string, actionId: string): Promise<ActionView | undefined> =>
  (await db.query<{ document: ActionView }>('SELECT document FROM action_view WHERE tenant = $1 AND action_id = $2', [tenant, actionId])).rows[0]?.document;

export const updateView = async (tx: Queryable, view: ActionView): Promise<void> => {
  await tx.query('UPDATE action_view SET status = $3, document = $4 WHERE tenant = $1 AND action_id = $2', [view.tenant, view.action_id, view.status, JSON.stringify(view)]);
};

export interface ActionRef {
  readonly tenant: string;
  readonly actionId: string;
}
export const actionKey = ({ tenant, actionId }: ActionRef): string => `${tenant}/${actionId}`;

/** Those of these actions that are known, by actionKey. Whoever changes them holds their streams. */
export const viewsOf = async (tx: Queryable, refs: readonly ActionRef[]): Promise<ReadonlyMap<string, ActionView>> => {
  const { rows } = await tx.query<{ document: ActionView }>('SELECT document FROM action_view WHERE (tenant, action_id) IN (SELECT * FROM unnest($1::text[], $2::uuid[]))', [
    refs.map(({ tenant }) => tenant),
    refs.map(({ actionId }) => actionId),
  ]);
  return new Map(rows.map(({ document }) => [actionKey({ tenant: document.tenant, actionId: document.action_id }), document]));
};

/** Each view once. */
export const updateViews = async (tx: Queryable, views: readonly ActionView[]): Promise<void> => {
  if (views.length === 0) return;
  await tx.query(
    `UPDATE action_view a SET status = v.status, document = v.document
     FROM unnest($1::text[], $2::uuid[], $3::text[], $4::json[]) AS v (tenant, action_id, status, document)
     WHERE a.tenant = v.tenant AND a.action_id = v.action_id`,
    [views.map(({ tenant }) => tenant), views.map(({ action_id }) => action_id), views.map(({ status }) => status), views.map((view) => JSON.stringify(view))],
  );
};

export interface ViewFilter {
  readonly tenant: string;
  readonly agent?: string;
  readonly run?: string;
  readonly status?: string;
  readonly idempotencyKey?: string;
  /** rows older than this action */
  readonly before?: string;
  readonly limit: number;
}

/** Newest first (ids rise with time). */
export const viewRows = async (db: Queryable, filter: ViewFilter): Promise<readonly ActionView[]> => {
  const wanted: readonly (readonly [string, string | undefined])[] = [
    ['agent =', filter.agent],
    ['run_id =', filter.run],
    ['status =', filter.status],
    ['idempotency_key =', filter.idempotencyKey],
    ['action_id <', filter.before],
  ];
  const given = wanted.filter(([, value]) => value !== undefined);
  const conditions = given.map(([column], index) => ` AND ${column} $${index + 3}`).join('');
  const { rows } = await db.query<{ document: ActionView }>(`SELECT document FROM action_view WHERE tenant = $1${conditions} ORDER BY action_id DESC LIMIT $2`, [filter.tenant, filter.limit, ...given.map(([, value]) => value)]);
  return rows.map(({ document }) => document);
};
