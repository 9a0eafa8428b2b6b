/**
 * Tables of the runtime authority. No index but a primary key begins with the tenant: while a table is young, a plan that looks
 * for one row of a tenant must not find an index by which it would read all of them.
 * The rows carry the invariants (reliability.md section 1): a bug above them ends in a
 * refused statement, not in an over-grant.
 */
export const authorityDdl = (): string => `
-- Moves under the exclusive fence lock of the tenant only: an epoch says which freezes and policy a claim was judged under.
CREATE TABLE fence (tenant text PRIMARY KEY, epoch bigint NOT NULL CHECK (epoch > 0));

CREATE TABLE policy_in_force (
  tenant text PRIMARY KEY,
  policy_version integer NOT NULL,
  policy_hash text NOT NULL,
  canonical text NOT NULL,
  registered_kinds text[] NOT NULL
);

CREATE TABLE scope_freeze (
  tenant text NOT NULL,
  freeze_id uuid PRIMARY KEY,
  scope text NOT NULL CHECK (scope IN ('tenant', 'agent', 'kind', 'tool', 'grant')),
  value text NOT NULL,
  reason text NOT NULL,
  status text NOT NULL CHECK (status IN ('Applied', 'Quiesced', 'Lifted')),
  fence_epoch bigint NOT NULL,
  unknown_reservations uuid[] NOT NULL DEFAULT '{}',
  applied_at timestamptz NOT NULL
);
CREATE INDEX scope_freeze_standing ON scope_freeze (tenant) WHERE status <> 'Lifted';

-- A row without claims is a tombstone that came before its grant. Rows outlive expires_at.
CREATE TABLE grant_row (
  tenant text NOT NULL,
  grant_id uuid NOT NULL,
  action_id uuid,
  claims text,
  closed text CHECK (closed IN ('revoked', 'withdrawn')),
  PRIMARY KEY (tenant, grant_id),
  CHECK (claims IS NOT NULL OR closed IS NOT NULL)
);
CREATE INDEX grant_row_by_action ON grant_row (action_id, tenant);

-- ActionWithdrawn ends every grant of its action, those that are still on their way included.
CREATE TABLE withdrawn_action (tenant text NOT NULL, action_id uuid NOT NULL, PRIMARY KEY (tenant, action_id));

-- One row a claim, written once and then moved; nothing that changes is indexed but by what may still act.
CREATE TABLE reservation (
  reservation_id uuid PRIMARY KEY,
  tenant text NOT NULL,
  version integer NOT NULL,
  status text NOT NULL CHECK (status IN ('Held', 'Started', 'Unknown', 'Committed', 'Released', 'Expired')),
  grant_id uuid,
  use_no integer CHECK (use_no >= 1),
  action_id uuid,
  execution_id uuid,
  agent text NOT NULL,
  scope_path text NOT NULL,
  action_kind text NOT NULL,
  tool_name text NOT NULL,
  tool_version text NOT NULL,
  execution_mode text NOT NULL CHECK (execution_mode IN ('managed', 'self')),
  fence_epoch bigint NOT NULL,
  held_at timestamptz NOT NULL,
  execute_by timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  -- budgets that hold something for it
  charged uuid[] NOT NULL,
  -- ReservationHeld's data: what nothing ever queries by
  claim text NOT NULL,
  -- what the surface that asked wants to read back (Cycles: its own words for the request)
  note text,
  -- Invariants 4 and 5: one use, one claim, for ever.
  CONSTRAINT use_claimed_once UNIQUE (grant_id, use_no, tenant),
  CONSTRAINT use_of_a_grant CHECK ((grant_id IS NULL) = (use_no IS NULL))
) WITH (fillfactor = 80);
-- Only what may still act is swept, so ended rows cost the index nothing.
CREATE INDEX reservation_due ON reservation (expires_at) WHERE status IN ('Held', 'Started');
-- For quiescing a freeze and listing what is unknown.
CREATE INDEX reservation_standing ON reservation (tenant, fence_epoch) WHERE status IN ('Held', 'Started', 'Unknown');

-- Amounts fit 30 digits (kernel). No index on held, committed or entry_no, and room on the page: hot rows update in place.
CREATE TABLE budget (
  budget_id uuid PRIMARY KEY,
  tenant text NOT NULL,
  scope_path text NOT NULL,
  unit text NOT NULL,
  cap numeric(30, 0) NOT NULL,
  held numeric(30, 0) NOT NULL DEFAULT 0,
  committed numeric(30, 0) NOT NULL DEFAULT 0,
  entry_no bigint NOT NULL,
  CONSTRAINT budget_place UNIQUE (tenant, scope_path, unit),
  CONSTRAINT budget_covers CHECK (held + committed <= cap),
  CONSTRAINT budget_not_negative CHECK (held >= 0 AND committed >= 0)
) WITH (fillfactor = 70);
`;
