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

/** Events and idempotent answers of reservations for a tenant, and what its budgets hold and have spent: what a second effect would change. */
export const effectsOf = async (rows: Rows, tenant: string): Promise<{ readonly events: number; readonly claims: number; readonly uses: number; readonly held: string; readonly committed: string }> => {
  const [found] = await rows<{ events: string; claims: string; uses: string; held: string; committed: string }>(
    `SELECT (SELECT count(*) FROM reservations.event WHERE tenant = $1 AND type !~ 'StreamHeadsPublished') AS events,
            (SELECT count(*) FROM reservations.reservation WHERE tenant = $1) AS claims,
            (SELECT count(*) FROM reservations.grant_use WHERE tenant = $1) AS uses,
            (SELECT coalesce(sum(held), 0) FROM reservations.budget WHERE tenant = $1) AS held,
            (SELECT coalesce(sum(committed), 0) FROM reservations.budget WHERE tenant = $1) AS committed`,
    [tenant],
  );
  if (found === undefined) throw new Error('no row of counts');
  return { events: Number(found.events), claims: Number(found.claims), uses: Number(found.uses), held: found.held, committed: found.committed };
};

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
