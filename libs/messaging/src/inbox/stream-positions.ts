import type { IncomingMessage } from '../port.js';
import { NO_LOCKS, statementsOf } from './inbox-store.js';
import type { InboxStore, SqlTransaction, Statements } from './inbox-store.js';
import { headOf, messageOf } from './stored-message.js';
import type { MessageRow } from './stored-message.js';

/** A stream as one topic carries it; two services may use the same key on topics of their own. */
export interface StreamPlace {
  readonly topic: string;
  readonly key: string;
}

export interface StreamPosition {
  readonly version: number;
  readonly hasParked: boolean;
}

/** Consecutive versions of a stream, both ends included. */
export interface VersionSpan {
  readonly first: number;
  readonly last: number;
}

/** Events parked of one stream. Reaching it stops the partition (nothing is lost, /readyz shows it) until the stream is re-driven. */
export const MAX_PARKED_PER_STREAM = 1_000;

export class ParkingFull extends Error {
  constructor(place: StreamPlace) {
    super(`stream ${place.key} of ${place.topic} has ${MAX_PARKED_PER_STREAM} parked events; it must be re-driven first`);
    this.name = 'ParkingFull';
  }
}

/** Both in one round trip, since every batch starts with it. */
const LOAD = `
SELECT asked.key AS name, coalesce(s.version, 0)::int AS version,
  EXISTS (SELECT 1 FROM inbox_parked p WHERE p.topic = $1 AND p.stream_key = asked.key) AS "hasParked"
FROM unnest($2::text[]) AS asked (key) LEFT JOIN inbox_stream s ON s.topic = $1 AND s.stream_key = asked.key
UNION ALL
SELECT id::text, NULL, NULL FROM inbox_dead_letter WHERE id = ANY ($3::uuid[])`;

type LoadedRow = { readonly name: string } & (StreamPosition | { readonly version: null; readonly hasParked: null });

/** Sorted, so that two members who overlap after a rebalance cannot wait for each other. */
const ADVANCE = `
INSERT INTO inbox_stream AS s (topic, stream_key, version)
SELECT $1, key, version FROM unnest($2::text[], $3::bigint[]) AS taken (key, version) ORDER BY key
ON CONFLICT (topic, stream_key) DO UPDATE SET version = greatest(s.version, excluded.version)`;

/**
 * LOAD and ADVANCE in one, for streams whose events of a batch have no effect here: a stream goes on when its first event is
 * its turn (versions never go back, so what this snapshot sees stays true) and none of it is parked or a dead letter.
 */
const PASS = `
INSERT INTO inbox_stream AS s (topic, stream_key, version)
SELECT $1, passing.key, passing.last FROM unnest($2::text[], $3::bigint[], $4::bigint[]) AS passing (key, first, last)
LEFT JOIN inbox_stream known ON known.topic = $1 AND known.stream_key = passing.key
WHERE passing.first <= coalesce(known.version, 0) + 1
  AND NOT EXISTS (SELECT 1 FROM inbox_parked p WHERE p.topic = $1 AND p.stream_key = passing.key)
  AND NOT EXISTS (SELECT 1 FROM inbox_dead_letter WHERE id = ANY ($5::uuid[]))
ORDER BY passing.key
ON CONFLICT (topic, stream_key) DO UPDATE SET version = excluded.version WHERE s.version < excluded.version`;

const LOCK = `
INSERT INTO inbox_stream AS s (topic, stream_key, version) VALUES ($1, $2, $3)
ON CONFLICT (topic, stream_key) DO UPDATE SET version = greatest(s.version, excluded.version)
RETURNING version::int AS version`;

const PARK = `
INSERT INTO inbox_parked (topic, stream_key, version, partition, "offset", head, value)
VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (topic, stream_key, version) DO NOTHING`;

/**
 * How far each stream was taken, and what waits behind a gap. Whoever parks and whoever advances past a gap hold the
 * stream's row, so an event is never parked behind a version that has just been taken.
 */
export class StreamPositions {
  constructor(
    private readonly store: InboxStore<SqlTransaction>,
    private readonly statements: Statements = statementsOf(store),
  ) {}

  /** Where these streams stand, and which of these messages (by letterId) are dead letters already. */
  async load(topic: string, keys: readonly string[], letterIds: readonly string[]): Promise<{ readonly positions: Map<string, StreamPosition>; readonly refused: Set<string> }> {
    const rows = (await this.statements.query(LOAD, [topic, [...new Set(keys)], letterIds])).rows as LoadedRow[];
    const positions = new Map<string, StreamPosition>();
    const refused = new Set<string>();
    for (const { name, version, hasParked } of rows) {
      if (version === null) refused.add(name);
      else positions.set(name, { version, hasParked });
    }
    return { positions, refused };
  }

  /** One statement for all streams of a batch; never goes back. */
  async advance(topic: string, versions: ReadonlyMap<string, number>): Promise<void> {
    if (versions.size === 0) return;
    await this.statements.query(ADVANCE, [topic, [...versions.keys()], [...versions.values()]]);
  }

  /**
   * Moves streams past events that have no effect here, in one round trip. False when not all of them went on, because of a
   * gap, something parked, a dead letter or a repetition: the batch is then to be taken event by event.
   */
  async pass(topic: string, spans: ReadonlyMap<string, VersionSpan>, letterIds: readonly string[]): Promise<boolean> {
    const all = [...spans.values()];
    const { rowCount } = await this.statements.query(PASS, [topic, [...spans.keys()], all.map(({ first }) => first), all.map(({ last }) => last), letterIds]);
    return rowCount === spans.size;
  }

  /**
   * Keeps a message until the versions before it are taken. When they have been meanwhile (a re-drive), nothing is kept and
   * the stream's version is returned. @throws ParkingFull
   */
  park(place: StreamPlace, version: number, message: IncomingMessage): Promise<'parked' | number> {
    return this.store.transact(NO_LOCKS, async (tx) => {
      const taken = await lockStream(tx, place, 0);
      if (version <= taken + 1) return taken;
      const waiting = await tx.query('SELECT count(*)::int AS parked FROM inbox_parked WHERE topic = $1 AND stream_key = $2 AND version <> $3', [place.topic, place.key, version]);
      if ((waiting.rows[0] as { parked: number }).parked >= MAX_PARKED_PER_STREAM) throw new ParkingFull(place);
      await tx.query(PARK, [place.topic, place.key, version, message.partition, message.offset, headOf(message), message.value]);
      return 'parked';
    });
  }

  /** Records that the stream was taken up to `version`, drops what was parked up to there, and gives the next parked message. */
  advanceTo(place: StreamPlace, version: number): Promise<{ readonly version: number; readonly next: IncomingMessage | undefined }> {
    return this.store.transact(NO_LOCKS, async (tx) => {
      const taken = await lockStream(tx, place, version);
      await tx.query('DELETE FROM inbox_parked WHERE topic = $1 AND stream_key = $2 AND version <= $3', [place.topic, place.key, taken]);
      const { rows } = await tx.query('SELECT topic, partition, "offset", head, value FROM inbox_parked WHERE topic = $1 AND stream_key = $2 AND version = $3', [place.topic, place.key, taken + 1]);
      const row = rows[0] as MessageRow | undefined;
      return { version: taken, next: row && messageOf(row) };
    });
  }
}

const lockStream = async (tx: SqlTransaction, { topic, key }: StreamPlace, version: number): Promise<number> => {
  const { rows } = await tx.query(LOCK, [topic, key, version]);
  return (rows[0] as { version: number }).version;
};
