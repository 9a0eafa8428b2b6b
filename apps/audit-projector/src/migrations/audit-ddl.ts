/**
 * Tables of the log. Leaves and tree heads are only ever added; a trigger refuses the rest, to the service itself too. Rows of
 * different tenants share tables and no key: every index begins with the tenant.
 */
export const auditDdl = (): string => `
CREATE TABLE log (
  tenant text PRIMARY KEY,
  -- leaves so far; the next one gets this sequence
  size bigint NOT NULL DEFAULT 0,
  -- {size, hashes}: all that is needed to grow the Merkle tree
  frontier jsonb NOT NULL,
  -- size of the newest tree head, and when it was made
  head_size bigint NOT NULL DEFAULT 0 CHECK (head_size <= size),
  head_at timestamptz NOT NULL DEFAULT '-infinity',
  -- which rows of the read model are the current ones
  generation integer NOT NULL DEFAULT 1
);
CREATE INDEX log_without_head ON log (tenant) WHERE head_size < size;

CREATE TABLE leaf (
  tenant text NOT NULL,
  -- leaf index, from 0; recorded once, here, and never derived again
  sequence bigint NOT NULL CHECK (sequence >= 0),
  leaf_hash bytea NOT NULL CHECK (octet_length(leaf_hash) = 32),
  bytes bytea NOT NULL,
  -- '' when the bytes name none
  event_id text NOT NULL,
  type text,
  -- 'ok', or why nobody vouches for these bytes
  origin text NOT NULL,
  -- another leaf has the same event id and other bytes
  fork boolean NOT NULL,
  path text,
  signature text,
  key_id text,
  ordinal bigint,
  topic text NOT NULL,
  partition integer NOT NULL,
  "offset" bigint NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT leaf_pk PRIMARY KEY (tenant, sequence)
);
-- A delivery is taken once. Bytes whose proof did not hold must not keep the same bytes with a good one out.
CREATE UNIQUE INDEX leaf_once ON leaf (tenant, event_id, leaf_hash, (origin = 'ok'));

-- Roots of full subtrees of 16, 256, 4096 … leaves; what lies between is recomputed for a proof.
CREATE TABLE log_node (
  tenant text NOT NULL,
  level smallint NOT NULL,
  index bigint NOT NULL,
  hash bytea NOT NULL,
  CONSTRAINT log_node_pk PRIMARY KEY (tenant, level, index)
);

CREATE TABLE tree_head (
  tenant text NOT NULL,
  size bigint NOT NULL,
  root bytea NOT NULL,
  note text NOT NULL,
  published_at timestamptz NOT NULL,
  CONSTRAINT tree_head_pk PRIMARY KEY (tenant, size)
);

CREATE FUNCTION log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER leaf_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON leaf FOR EACH STATEMENT EXECUTE FUNCTION log_is_append_only();
CREATE TRIGGER tree_head_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON tree_head FOR EACH STATEMENT EXECUTE FUNCTION log_is_append_only();
CREATE TRIGGER log_node_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON log_node FOR EACH STATEMENT EXECUTE FUNCTION log_is_append_only();

-- Read model: what happened around one action. Made from leaves alone; rebuilt as the next generation.
CREATE TABLE timeline (
  tenant text NOT NULL,
  generation integer NOT NULL,
  event_id text NOT NULL,
  action_id text NOT NULL,
  sequence bigint NOT NULL,
  name text NOT NULL,
  type text NOT NULL,
  service text NOT NULL,
  version integer NOT NULL,
  time text NOT NULL,
  actor_type text NOT NULL,
  actor_id text NOT NULL,
  event_hash text NOT NULL,
  data text NOT NULL,
  CONSTRAINT timeline_pk PRIMARY KEY (tenant, generation, event_id)
);
CREATE INDEX timeline_action ON timeline (tenant, action_id, generation);

-- Exports that were begun: the same Idempotency-Key gives the same bytes again.
CREATE TABLE export (
  tenant text NOT NULL,
  principal text NOT NULL,
  idempotency_key text NOT NULL,
  export_id uuid NOT NULL,
  log_size bigint NOT NULL,
  created_at text NOT NULL,
  CONSTRAINT export_pk PRIMARY KEY (tenant, principal, idempotency_key)
);
`;
