/** Tables of the inbox, one set a service. Unqualified: run with the service's search_path, by its first migration. */
export const inboxDdl = (): string => `
-- Effects already made, by event. 'effect' tells apart several effects of one event in one service.
CREATE TABLE inbox_event (
  event_id uuid NOT NULL,
  effect text NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (event_id, effect)
);
-- Last version taken of each stream, without a gap from 1.
CREATE TABLE inbox_stream (
  topic text NOT NULL,
  stream_key text NOT NULL,
  version bigint NOT NULL CHECK (version >= 0),
  PRIMARY KEY (topic, stream_key)
) WITH (fillfactor = 70);
-- Events that came before an earlier one of their stream was taken.
CREATE TABLE inbox_parked (
  topic text NOT NULL,
  stream_key text NOT NULL,
  version bigint NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  -- JSON text {key, headers}
  head text NOT NULL,
  value bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (topic, stream_key, version)
);
-- Messages refused for a deterministic reason; also on the dead-letter topic.
CREATE TABLE inbox_dead_letter (
  id uuid PRIMARY KEY,
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  reason text NOT NULL,
  -- as the message claims; null where it could not be read
  stream_key text,
  version bigint,
  head text NOT NULL,
  value bytea NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(),
  redriven_at timestamptz
);
CREATE INDEX inbox_dead_letter_stream ON inbox_dead_letter (stream_key, topic, version) WHERE redriven_at IS NULL;
`;
