import type { Frontier } from '@exequatur/audit-chain';
import { LOG_START } from '../log-position.js';
import type { LogPosition } from '../log-position.js';
import { pgArray } from '../pg-array.js';
import type { PgQueries } from '../pg-transaction.js';

/** One event as the relay publishes it. */
export interface OutgoingEvent {
  readonly tenant: string;
  /** `streamKey` of its stream */
  readonly key: string;
  readonly type: string;
  readonly traceparent: string | undefined;
  readonly bytes: Buffer;
  readonly path: string;
  readonly signature: string;
  readonly keyId: string;
}

export interface OutgoingRow extends LogPosition {
  readonly eventId: string;
  readonly event: OutgoingEvent;
}

/** Events of one tenant that were published so far, StreamHeadsPublished and tree heads not counted, and their Merkle tree. */
export interface StreamHead {
  readonly tenant: string;
  readonly frontier: Frontier;
}

export interface Leadership {
  /** Rises with every relay that takes over; only the newest moves the cursor. */
  readonly epoch: string;
  readonly cursor: LogPosition;
}

/** Another relay took over while this one was away; what it published meanwhile was at worst a duplicate. */
export class RelaySuperseded extends Error {
  constructor() {
    super('another relay has taken over');
    this.name = 'RelaySuperseded';
  }
}

/** Call it with the relay's session lock held. */
export const takeEpoch = async (db: PgQueries): Promise<Leadership> => {
  const { rows } = await db.query<{ epoch: string } & LogPosition>('UPDATE relay_cursor SET epoch = epoch + 1 RETURNING epoch::text, xid::text, position::text');
  const [row] = rows;
  if (!row) throw new Error('relay_cursor has no row; eventStoreDdl writes it');
  return { epoch: row.epoch, cursor: { xid: row.xid, position: row.position } };
};

export interface BatchBounds {
  readonly maxEvents: number;
  /** Of events and headers; one event alone may be larger. */
  readonly maxBytes: number;
}

/** About what path, signature, key id and the other headers of a message take. */
const HEADER_BYTES = 600;

/**
 * Numbers are drawn before commit, so an event with a lower one may still be in flight. Below the horizon, the lowest
 * transaction id still running, none is: what is read there is complete and stays in this order (reliability.md section 2).
 */
const SELECT_BATCH = `
SELECT xid::text, position::text, event_id
FROM (
  SELECT xid, position, event_id, sum(octet_length(bytes) + ${HEADER_BYTES}) OVER (ORDER BY xid, position) AS bytes_so_far, row_number() OVER (ORDER BY xid, position) AS place
  FROM (
    SELECT * FROM event
    WHERE (xid, position) > ($1::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY xid, position LIMIT $3
  ) AS settled
) AS batch
WHERE place = 1 OR bytes_so_far <= $4
ORDER BY batch.xid, batch.position`;

const SELECT_EVENTS = `
SELECT event_id, tenant, tenant || '/' || aggregate || '/' || subject AS key, type, traceparent, bytes, path, signature, key_id FROM event WHERE event_id = ANY ($1::uuid[])`;

type EventRow = Omit<OutgoingEvent, 'traceparent' | 'keyId'> & { readonly event_id: string; readonly traceparent: string | null; readonly key_id: string };

/** The order of the log is the database's to say; what stands there is read only where `known`, by event id, does not have it. */
export const readBatch = async (db: PgQueries, { xid, position }: LogPosition, { maxEvents, maxBytes }: BatchBounds, known: ReadonlyMap<string, OutgoingEvent>): Promise<readonly OutgoingRow[]> => {
  const { rows } = await db.query<LogPosition & { readonly event_id: string }>({ name: 'relay-read', text: SELECT_BATCH, values: [xid, position, maxEvents, maxBytes] });
  const read = await readEvents(db, rows.map(({ event_id }) => event_id).filter((id) => !known.has(id)));
  return rows.map(({ event_id, ...place }) => {
    const event = known.get(event_id) ?? read.get(event_id);
    if (event === undefined) throw new Error('an event of the log went away');
    return { ...place, eventId: event_id, event };
  });
};

const readEvents = async (db: PgQueries, ids: readonly string[]): Promise<ReadonlyMap<string, OutgoingEvent>> => {
  if (ids.length === 0) return new Map();
  const { rows } = await db.query<EventRow>({ name: 'relay-read-events', text: SELECT_EVENTS, values: [pgArray.uuid(ids)] });
  return new Map(rows.map(({ event_id, traceparent, key_id: keyId, ...event }) => [event_id, { ...event, traceparent: traceparent ?? undefined, keyId }]));
};

/** Counting stops here: beyond it a relay is simply far behind. */
export const LARGEST_LAG = 10_000;

/** Committed events after the cursor, those above the horizon included. */
export const countBehind = async (db: PgQueries, { xid, position }: LogPosition): Promise<number> => {
  const text = 'SELECT count(*)::integer AS behind FROM (SELECT FROM event WHERE (xid, position) > ($1::xid8, $2::bigint) LIMIT $3) AS later';
  const { rows } = await db.query<{ behind: number }>({ name: 'relay-lag', text, values: [xid, position, LARGEST_LAG] });
  return rows[0]?.behind ?? 0;
};

export const readCursor = async (db: PgQueries): Promise<LogPosition> => {
  const { rows } = await db.query<LogPosition>('SELECT xid::text, position::text FROM relay_cursor');
  return rows[0] ?? LOG_START;
};

export const readHeads = async (db: PgQueries, tenants: readonly string[]): Promise<readonly StreamHead[]> =>
  (await db.query<StreamHead>('SELECT tenant, frontier FROM stream_heads WHERE tenant = ANY ($1::text[])', [tenants])).rows;

/** One statement, so one transaction: the cursor moves together with the counts of what it passed, or neither does. */
const MOVE = `
WITH moved AS (
  UPDATE relay_cursor SET xid = $2::xid8, position = $3::bigint, moved_at = clock_timestamp() WHERE epoch = $1::bigint RETURNING epoch
), counted AS (
  INSERT INTO stream_heads (tenant, events, frontier)
  SELECT tenant, events, frontier FROM unnest($4::text[], $5::bigint[], $6::jsonb[]) AS head (tenant, events, frontier) WHERE EXISTS (SELECT FROM moved)
  ON CONFLICT (tenant) DO UPDATE SET events = EXCLUDED.events, frontier = EXCLUDED.frontier
)
SELECT count(*)::integer AS moved FROM moved`;

/** @throws RelaySuperseded when the epoch is no longer ours; nothing was moved. */
export const moveCursor = async (db: PgQueries, epoch: string, to: LogPosition, heads: readonly StreamHead[]): Promise<void> => {
  const values = [epoch, to.xid, to.position, heads.map(({ tenant }) => tenant), heads.map(({ frontier }) => frontier.size), heads.map(({ frontier }) => JSON.stringify(frontier))];
  const { rows } = await db.query<{ moved: number }>({ name: 'relay-move', text: MOVE, values });
  if (rows[0]?.moved !== 1) throw new RelaySuperseded();
};
