import { definitionOf } from '@exequatur/contracts';
import type { EventEnvelope } from '@exequatur/contracts';
import { visibleLine } from '../visible-line.js';

/** An event as it is told: open data, without the signed form of a grant. */
export interface ToldEvent {
  readonly sequence: number;
  readonly time: string;
  readonly event: string;
  readonly actor: string;
  readonly action_id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

const ACTION = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The event in a leaf's bytes; undefined where they are none that can be read. */
export const toldEvent = (sequence: number, bytes: Buffer): ToldEvent | undefined => {
  try {
    const { type, time, actortype, actorid, correlationid, data } = JSON.parse(bytes.toString('utf8')) as EventEnvelope<Readonly<Record<string, unknown>>>;
    const { grant: _signed, ...open } = data;
    const actionId = [open['action_id'], correlationid].find((id): id is string => typeof id === 'string' && ACTION.test(id));
    return { sequence, time, event: definitionOf(type)?.name ?? type, actor: `${actortype}:${actorid}`, ...(actionId === undefined ? {} : { action_id: actionId }), data: open };
  } catch {
    return undefined;
  }
};

/** What a reader wants to know first, by the names that events use. */
const TOLD = ['action_kind', 'run_id', 'agent', 'code', 'rule_id', 'reason', 'person', 'approval_id', 'grant_id', 'reservation_id', 'status', 'policy_version', 'provider_request_id'] as const;

export const toldLine = ({ sequence, time, event, actor, action_id: actionId, data }: ToldEvent): string => {
  const facts = (data['facts'] ?? {}) as Readonly<Record<string, unknown>>;
  const said = TOLD.flatMap((field) => {
    const value = data[field] ?? facts[field];
    return typeof value === 'string' || typeof value === 'number' ? [`${field}=${/^[\w.:/-]+$/.test(String(value)) ? value : JSON.stringify(value)}`] : [];
  });
  return visibleLine([String(sequence).padStart(7), time, event.padEnd(22), ...(actionId === undefined ? [] : [actionId]), `by ${actor}`, ...said].join('  '));
};
