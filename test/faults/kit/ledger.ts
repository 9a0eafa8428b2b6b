import type { QueryResultRow } from 'pg';
import { SERVICES } from '@exequatur/contracts';
import { unfinished } from './exported-log.js';
import type { LoggedEvent } from './exported-log.js';

/** Rows of the database that all services share, read as its superuser. */
export type Rows = <R extends QueryResultRow>(sql: string, values?: unknown[]) => Promise<R[]>;

/** Ids of every event that services committed for a tenant; heads aside, which go on by themselves. */
export const committedEvents = async (rows: Rows, tenant: string): Promise<readonly string[]> => {
  const from = SERVICES.map((service) => `SELECT event_id, tenant, type FROM ${service}.event`).join(' UNION ALL ');
  const found = await rows<{ event_id: string }>(`SELECT event_id FROM (${from}) e WHERE tenant = $1 AND type !~ '(StreamHeads|TreeHead)Published'`, [tenant]);
  return found.map(({ event_id }) => event_id);
};

/** Events of one name that reservations has committed for a tenant, as rows, whether relayed or not. */
export const eventsNamed = async (rows: Rows, tenant: string, name: string): Promise<readonly Record<string, unknown>[]> => {
  const found = await rows<{ event: { data: Record<string, unknown> } }>(`SELECT convert_from(bytes, 'UTF8')::jsonb AS event FROM reservations.event WHERE tenant = $1 AND type LIKE $2 ORDER BY xid, position`, [tenant, `%.${name}.v%`]);
  return found.map(({ event }) => event.data);
};

const countOf = async (rows: Rows, where: string, values: unknown[]): Promise<number> =>
  Number((await rows<{ count: string }>(`SELECT count(*) FROM reservations.event WHERE ${where}`, values))[0]?.count);

/** Claims that stand committed at this moment. */
export const claimsOf = (rows: Rows, tenant: string): Promise<number> => countOf(rows, "tenant = $1 AND type LIKE '%.ReservationHeld.v%'", [tenant]);

/**
 * What a second effect of a write to reservations would change: its events of the tenant, but those that sweeps add by themselves.
 * One statement: heads are published at any moment, so a difference of two counts may be of two moments.
 */
export const effectsOf = (rows: Rows, tenant: string): Promise<number> => countOf(rows, "tenant = $1 AND type !~ '[.](StreamHeadsPublished|FreezeQuiesced)[.]v' AND convert_from(bytes, 'UTF8')::jsonb->>'actorid' <> 'sweep'", [tenant]);

/** Committed events that are not in the log: invariant 20, with the rows as what is true. */
export const notLogged = (committed: readonly string[], events: readonly LoggedEvent[]): readonly string[] => {
  const logged = new Set(events.map(({ id }) => id));
  return committed.filter((id) => !logged.has(id));
};

/** For `settledLog`: everything committed for the tenant is there, and what managed actions began is finished. */
export const everythingOf = (committed: readonly string[], happened: { readonly actions: readonly string[]; readonly effects: readonly string[] } = { actions: [], effects: [] }) => (events: readonly LoggedEvent[]): readonly string[] => [
  ...notLogged(committed, events).map((id) => `event ${id}`),
  ...(happened.actions.length + happened.effects.length === 0 ? [] : unfinished(events, happened)),
];
