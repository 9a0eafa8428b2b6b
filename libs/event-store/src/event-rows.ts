import { streamKey } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { parseStored } from './envelope.js';
import { pgArray } from './pg-array.js';
import type { PgQueries, PgTransaction } from './pg-transaction.js';
import type { RecordedEvent, StreamWrite } from './port.js';
import type { PreparedEvent } from './prepare-append.js';

/** The columns that make a RecordedEvent. */
export interface ProvenRow {
  readonly version: number;
  readonly bytes: Buffer;
  readonly path: string;
  readonly signature: string;
  readonly key_id: string;
}

export const recordedOf = ({ version, bytes, path, signature, key_id }: ProvenRow): RecordedEvent => ({ envelope: parseStored(bytes), bytes, path, signature, keyId: key_id, version });

/**
 * All events of an append in one statement, in their order, or none when a stream is not at its expected version. The stream
 * locks make that check final; the unique constraint stands behind it. None either when the relay's cursor is ahead of us, which
 * only a log restored into another cluster can be.
 */
const INSERT = `
INSERT INTO event (event_id, tenant, aggregate, subject, version, type, correlation_id, traceparent, bytes, path, signature, key_id)
SELECT event_id, tenant, aggregate, subject, version, type, correlation_id, traceparent, bytes, path, signature, key_id
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[], $6::text[], $7::text[], $8::text[], $9::bytea[], $10::text[], $11::text[], $12::text[])
  WITH ORDINALITY AS new (event_id, tenant, aggregate, subject, version, type, correlation_id, traceparent, bytes, path, signature, key_id, place)
WHERE NOT EXISTS (
  SELECT FROM unnest($13::text[], $14::text[], $15::text[], $16::integer[]) AS wanted (tenant, aggregate, subject, version)
  WHERE wanted.version <> coalesce((SELECT max(head.version) FROM event head WHERE head.tenant = wanted.tenant AND head.aggregate = wanted.aggregate AND head.subject = wanted.subject), 0)
) AND NOT EXISTS (SELECT FROM relay_cursor WHERE xid > pg_current_xact_id())
ORDER BY place`;

const streamColumns = (streams: readonly StreamId[]): Buffer[] => [pgArray.text(streams.map(({ tenant }) => tenant)), pgArray.text(streams.map(({ aggregate }) => aggregate)), pgArray.text(streams.map(({ id }) => id))];

const SEND = `WITH recorded AS (${INSERT} RETURNING 1) SELECT must(count(*) = $17, 'a stream is not at its expected version, or the log is another cluster''s') FROM recorded`;

const valuesOf = (writes: readonly StreamWrite[], prepared: readonly PreparedEvent[]): unknown[] => {
  const envelopes = prepared.map(({ recorded }) => recorded.envelope);
  return [
    pgArray.uuid(envelopes.map(({ id }) => id)),
    ...streamColumns(prepared.map(({ stream }) => stream)),
    pgArray.int4(prepared.map(({ recorded }) => recorded.version)),
    pgArray.text(envelopes.map(({ type }) => type)),
    pgArray.text(envelopes.map(({ correlationid }) => correlationid ?? null)),
    pgArray.text(envelopes.map(({ traceparent }) => traceparent ?? null)),
    pgArray.bytea(prepared.map(({ recorded }) => recorded.bytes)),
    pgArray.text(prepared.map(({ recorded }) => recorded.path)),
    pgArray.text(prepared.map(({ recorded }) => recorded.signature)),
    pgArray.text(prepared.map(({ recorded }) => recorded.keyId)),
    ...streamColumns(writes.map(({ stream }) => stream)),
    pgArray.int4(writes.map(({ expectedVersion }) => expectedVersion)),
  ];
};

/** False, with nothing written, when a stream is not at its expected version or the log is another cluster's. */
export const insertEvents = async (tx: PgTransaction, writes: readonly StreamWrite[], prepared: readonly PreparedEvent[]): Promise<boolean> => {
  const { rowCount } = await tx.query({ name: 'event-store-insert', text: INSERT, values: valuesOf(writes, prepared) });
  return rowCount === prepared.length;
};

/**
 * Without waiting: where `insertEvents` says false, the transaction fails. A stream that begins here needs no look: were there one,
 * its first version would be there twice.
 */
export const sendEvents = (tx: PgTransaction, writes: readonly StreamWrite[], prepared: readonly PreparedEvent[]): void =>
  tx.send({ name: 'event-store-send', text: SEND, values: [...valuesOf(writes.filter(({ expectedVersion }) => expectedVersion > 0), prepared), prepared.length] });

const SELECT_STREAMS = `
SELECT tenant, aggregate, subject AS id, version, bytes, path, signature, key_id
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (tenant, aggregate, subject) JOIN event USING (tenant, aggregate, subject)
ORDER BY tenant, aggregate, subject, version`;

/** Events by streamKey, oldest first; a stream without events is absent. */
export const selectStream = async (tx: PgQueries, streams: readonly StreamId[]): Promise<ReadonlyMap<string, readonly RecordedEvent[]>> => {
  const distinct = [...new Map(streams.map((stream) => [streamKey(stream), stream])).values()];
  const { rows } = await tx.query<StreamId & ProvenRow>({ name: 'event-store-load', text: SELECT_STREAMS, values: streamColumns(distinct) });
  const byStream = new Map<string, RecordedEvent[]>();
  for (const row of rows) {
    const key = streamKey(row);
    const events = byStream.get(key) ?? [];
    events.push(recordedOf(row));
    byStream.set(key, events);
  }
  return byStream;
};

const SELECT_VERSIONS = `
SELECT tenant, aggregate, subject AS id,
  coalesce((SELECT max(head.version) FROM event head WHERE head.tenant = wanted.tenant AND head.aggregate = wanted.aggregate AND head.subject = wanted.subject), 0) AS version
FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (tenant, aggregate, subject)`;

export const selectVersions = async (tx: PgQueries, streams: readonly StreamId[]): Promise<ReadonlyMap<string, number>> => {
  const { rows } = await tx.query<StreamId & { version: number }>({ name: 'event-store-versions', text: SELECT_VERSIONS, values: streamColumns(streams) });
  return new Map(rows.map((row) => [streamKey(row), row.version]));
};
