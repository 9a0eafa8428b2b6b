import { definitionOf, SERVICES } from '@exequatur/contracts';
import type { EventEnvelope } from '@exequatur/contracts';
import { sha256Text } from '@exequatur/kernel';
import type { Queryable } from '@exequatur/service-kit';

/** An event as reviews of it show it: open data only, no signed form of a grant, with what the proposal said of its action. */
export interface ShownEvent {
  readonly sequence: number;
  readonly tenant: string;
  readonly event_id: string;
  /** `ActionProposed` */
  readonly name: string;
  readonly type: string;
  readonly service: string;
  readonly version: number;
  readonly time: string;
  readonly subject: string;
  readonly actor_type: string;
  readonly actor_id: string;
  readonly action_id: string | undefined;
  readonly agent: string | undefined;
  readonly action_kind: string | undefined;
  readonly event_hash: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export interface EventFilter {
  /** RFC 3339; from ≤ time < to */
  readonly from?: string;
  readonly to?: string;
  readonly action_id?: string;
  readonly action_kind?: string;
}

export interface ProvenLeafRow {
  readonly sequence: string;
  readonly bytes: Buffer;
}

type Facts = { readonly agent?: string; readonly action_kind?: string };
const ACTION = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What was proposed, by action id; one statement for all of a chunk. */
const factsOf = async (db: Queryable, tenant: string, actionIds: readonly string[]): Promise<ReadonlyMap<string, Facts>> => {
  const text = `SELECT action_id, data FROM timeline JOIN log ON log.tenant = timeline.tenant AND log.generation = timeline.generation WHERE timeline.tenant = $1 AND action_id = ANY ($2::text[]) AND name = 'ActionProposed'`;
  const { rows } = await db.query<{ action_id: string; data: string }>(text, [tenant, [...new Set(actionIds)]]);
  return new Map(rows.map(({ action_id: id, data }) => [id, (JSON.parse(data) as { facts: Facts }).facts]));
};

/** A chunk of leaves whose origin holds, as events; what the filter does not ask for is left out. */
export const shownEvents = async (db: Queryable, tenant: string, leaves: readonly ProvenLeafRow[], filter: EventFilter): Promise<readonly ShownEvent[]> => {
  const events = leaves.map(({ sequence, bytes }) => {
    const envelope = JSON.parse(bytes.toString('utf8')) as EventEnvelope<Readonly<Record<string, unknown>>>;
    const { grant: _signed, ...data } = envelope.data;
    const actionId = [data['action_id'], envelope.correlationid].find((id): id is string => typeof id === 'string' && ACTION.test(id));
    return { sequence: Number(sequence), bytes, envelope, data, actionId };
  });
  const facts = await factsOf(db, tenant, events.flatMap(({ actionId }) => actionId ?? []));
  return events
    .map(({ sequence, bytes, envelope, data, actionId }): ShownEvent => {
      const proposed = actionId === undefined ? undefined : facts.get(actionId);
      return {
        sequence,
        tenant,
        event_id: envelope.id,
        name: definitionOf(envelope.type)?.name ?? envelope.type,
        type: envelope.type,
        service: SERVICES.find((service) => envelope.source.endsWith(`/services/${service}`)) ?? '',
        version: Number(envelope.sequence),
        time: envelope.time,
        subject: envelope.subject,
        actor_type: envelope.actortype,
        actor_id: envelope.actorid,
        action_id: actionId,
        agent: proposed?.agent,
        action_kind: proposed?.action_kind,
        event_hash: sha256Text(bytes),
        data,
      };
    })
    .filter((event) => wanted(event, filter));
};

const wanted = ({ time, action_id: actionId, action_kind: kind }: ShownEvent, filter: EventFilter): boolean =>
  (filter.from === undefined || Date.parse(time) >= Date.parse(filter.from)) &&
  (filter.to === undefined || Date.parse(time) < Date.parse(filter.to)) &&
  (filter.action_id === undefined || filter.action_id === actionId) &&
  (filter.action_kind === undefined || filter.action_kind === kind);
