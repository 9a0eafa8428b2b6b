import { ActionProposed, ErasureCompleted, LegalHoldPlaced, streamKey } from '@exequatur/contracts';
import type { DataOf, EventDefinition, StreamId } from '@exequatur/contracts';
import type { Actor, PgEventStore, PgTransaction } from '@exequatur/event-store';
import { problem } from '@exequatur/service-kit';
import type { Principal, Queryable } from '@exequatur/service-kit';

/** Both streams of an action are locked by whoever erases, holds or lifts: an erasure and a hold cannot pass each other. */
export const streamsOf = (tenant: string, actionId: string): readonly StreamId[] => [erasureStream(tenant, actionId), holdStream(tenant, actionId)];
export const erasureStream = (tenant: string, actionId: string): StreamId => ({ tenant, aggregate: ErasureCompleted.aggregate, id: actionId });
export const holdStream = (tenant: string, actionId: string): StreamId => ({ tenant, aggregate: LegalHoldPlaced.aggregate, id: actionId });

/** @throws Problem NOT_FOUND when the log knows no such action of this tenant */
export const assertKnownAction = async (db: Queryable, tenant: string, actionId: string): Promise<void> => {
  const { rowCount } = await db.query('SELECT FROM timeline WHERE tenant = $1 AND action_id = $2 LIMIT 1', [tenant, actionId]);
  if ((rowCount ?? 0) === 0) problem('NOT_FOUND');
};

/** The agent that proposed it. */
export const agentOf = async (db: Queryable, tenant: string, actionId: string): Promise<string | undefined> => {
  const { rows } = await db.query<{ data: string }>('SELECT data FROM timeline WHERE tenant = $1 AND action_id = $2 AND name = $3 LIMIT 1', [tenant, actionId, ActionProposed.name]);
  return rows[0] === undefined ? undefined : (JSON.parse(rows[0].data) as DataOf<typeof ActionProposed>).facts.agent;
};

export const actorOf = (caller: Principal): Actor => {
  if (caller.type === 'person') return { type: 'person', id: caller.id };
  return caller.type === 'root' ? { type: 'system', id: 'root' } : problem('FORBIDDEN');
};

/** Appends one fact about an action; the caller holds the stream's lock. */
export const appendFact = async <D>(store: PgEventStore, tx: PgTransaction, stream: StreamId, actionId: string, definition: EventDefinition<string, D>, data: D, actor: Actor): Promise<void> => {
  const expectedVersion = (await store.versions(tx, [stream])).get(streamKey(stream)) ?? 0;
  await store.append(tx, [{ stream, expectedVersion, events: [{ definition, data, actor, correlationId: actionId }] }]);
};
