import type { EventEnvelope } from '@exequatur/contracts';
import { recordedOf } from './event-rows.js';
import type { ProvenRow } from './event-rows.js';
import { LOG_START } from './log-position.js';
import type { LogPosition } from './log-position.js';
import type { PgQueries } from './pg-transaction.js';
import type { RecordedEvent } from './port.js';

export interface LoggedEvent {
  readonly at: LogPosition;
  readonly recorded: RecordedEvent;
}

const CHUNK_SIZE = 500;

/** Below the horizon, as the relay reads: above it an event may still appear before one already read. */
const SELECT_CHUNK = `
SELECT xid::text, position::text, version, bytes, path, signature, key_id FROM event
WHERE (xid, position) > ($1::xid8, $2::bigint) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY event.xid, event.position LIMIT $3`;

/**
 * Every event of the service in the order it was relayed, from just after `from`, in chunks; ends where nothing settled is
 * left. For rebuilds: each chunk is one statement, so that a rebuild may commit between chunks and never runs long.
 */
export async function* readAll(db: PgQueries, from: LogPosition = LOG_START, chunkSize: number = CHUNK_SIZE): AsyncGenerator<readonly LoggedEvent[], void> {
  for (let at = from; ; ) {
    const { rows } = await db.query<LogPosition & ProvenRow>({ name: 'event-store-read-all', text: SELECT_CHUNK, values: [at.xid, at.position, chunkSize] });
    const chunk = rows.map((row) => ({ at: { xid: row.xid, position: row.position }, recorded: recordedOf(row) }));
    const last = chunk.at(-1);
    if (!last) return;
    yield chunk;
    at = last.at;
  }
}

/** State of a stream from its events, with the version an append to it must expect. `evolve` is the domain's. */
export const foldStream = <S>(events: readonly RecordedEvent[], evolve: (state: S, event: EventEnvelope) => S, initial: S): { readonly state: S; readonly version: number } => ({
  state: events.reduce((state, { envelope }) => evolve(state, envelope), initial),
  version: events.at(-1)?.version ?? 0,
});
