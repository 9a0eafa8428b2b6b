/**
 * Tables of the event store, unqualified: they land in the schema the search_path names, one set a service. Run once, by the
 * service's first migration.
 *
 * Indexes of `event`, one for each way it is read and no more, since every append pays for each:
 * (xid, position) the relay and rebuilds; (tenant, aggregate, subject, version) loading a stream, its head, and the last word
 * on two appends of one version; (event_id), since consumers dedupe by it: an id used twice would be an event lost.
 *
 * Append-only holds against the service itself, which owns the table and cannot be stopped by REVOKE: a trigger refuses. An
 * operator who must re-stamp unsent rows after a logical restore disables it by name and so leaves a trace.
 */
export const eventStoreDdl = (): string => `
CREATE TABLE event (
  xid xid8 NOT NULL DEFAULT pg_current_xact_id(),
  position bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
  event_id uuid NOT NULL,
  tenant text NOT NULL,
  aggregate text NOT NULL,
  subject text NOT NULL,
  version integer NOT NULL CHECK (version > 0),
  type text NOT NULL,
  correlation_id text,
  traceparent text,
  bytes bytea NOT NULL,
  path text NOT NULL,
  signature text NOT NULL,
  key_id text NOT NULL,
  recorded_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT event_pk PRIMARY KEY (xid, position),
  CONSTRAINT event_stream_version UNIQUE (tenant, aggregate, subject, version),
  CONSTRAINT event_id_once UNIQUE (event_id)
);

CREATE FUNCTION event_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'events are append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER event_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON event
  FOR EACH STATEMENT EXECUTE FUNCTION event_is_append_only();

CREATE TABLE relay_cursor (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  epoch bigint NOT NULL DEFAULT 0,
  xid xid8 NOT NULL DEFAULT '0',
  position bigint NOT NULL DEFAULT 0,
  moved_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
INSERT INTO relay_cursor DEFAULT VALUES;

CREATE TABLE stream_heads (
  tenant text PRIMARY KEY,
  events bigint NOT NULL,
  frontier jsonb NOT NULL,
  announced bigint NOT NULL DEFAULT 0,
  CHECK (announced <= events)
);
CREATE INDEX stream_heads_unannounced ON stream_heads (tenant) WHERE announced < events;
`;
