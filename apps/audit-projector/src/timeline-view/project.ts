import { definitionOf, RetentionEnded, SERVICES } from '@exequatur/contracts';
import type { EventEnvelope } from '@exequatur/contracts';
import { assertValidEvent, InvalidEvent } from '@exequatur/event-store';
import { sha256Text } from '@exequatur/kernel';

/** One event in the life of one action. Open data only: sealed content is not kept, and neither is the signed form of a grant. */
export interface TimelineRow {
  readonly tenant: string;
  readonly event_id: string;
  readonly action_id: string;
  readonly sequence: number;
  /** `ActionProposed` */
  readonly name: string;
  readonly type: string;
  readonly service: string;
  readonly version: number;
  readonly time: string;
  readonly actor_type: string;
  readonly actor_id: string;
  /** SHA-256 of the event's bytes */
  readonly event_hash: string;
  /** JSON */
  readonly data: string;
}

/** A leaf whose origin holds. */
export interface ProvenLeaf {
  readonly tenant: string;
  readonly sequence: number;
  readonly bytes: Buffer;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/**
 * The row of an event, or null where it belongs to no action or is of a type we do not know. What stands already, stays: of two
 * leaves with one event id the first counts. Pure, so that rebuilt rows equal live ones (invariant 22).
 */
export const project = (row: TimelineRow | null, { tenant, sequence, bytes }: ProvenLeaf): TimelineRow | null => {
  if (row !== null) return row;
  const event = validEvent(bytes);
  // The end of an action's retention is no part of its story: it would keep a row of what is no longer kept.
  if (event === undefined || event.type === RetentionEnded.type) return null;
  const actionId = actionIdOf(event);
  if (actionId === undefined) return null;
  return {
    tenant,
    event_id: event.id,
    action_id: actionId,
    sequence,
    name: definitionOf(event.type)?.name ?? event.type,
    type: event.type,
    service: SERVICES.find((service) => event.source.endsWith(`/services/${service}`)) ?? '',
    version: Number(event.sequence),
    time: event.time,
    actor_type: event.actortype,
    // PostgreSQL's text holds everything but this one character.
    actor_id: event.actorid.replaceAll('\0', '\ufffd'),
    event_hash: sha256Text(bytes),
    data: JSON.stringify(shown(event.data as Readonly<Record<string, unknown>>)),
  };
};

const validEvent = (bytes: Buffer): EventEnvelope | undefined => {
  const value: unknown = JSON.parse(bytes.toString('utf8'));
  try {
    assertValidEvent(value);
    return value;
  } catch (error) {
    if (error instanceof InvalidEvent) return undefined;
    throw error;
  }
};

const actionIdOf = ({ correlationid, data }: EventEnvelope): string | undefined => {
  const { action_id: named } = data as { readonly action_id?: string };
  return [named, correlationid].find((id) => id !== undefined && UUID.test(id));
};

/** The compact JWS of a grant is authority in a form that can be presented; a reader needs what it says, which stands beside it. */
const shown = ({ grant: _signed, ...data }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => data;
