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
  scope text NOT NULL CHECK (scope IN ('tenant', 'agent', 'kind', 'tool', 'grant', 'toolset', 'workflow', 'run')),
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
  -- by unit what all its uses have claimed, where it has totals: {"USD_MICROCENTS": "500"}
  claimed jsonb,
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

-- Amounts fit 30 digits (kernel). No index on what a claim changes, and room on the page: hot rows update in place.
CREATE TABLE budget (
  budget_id uuid PRIMARY KEY,
  tenant text NOT NULL,
  scope_path text NOT NULL,
  unit text NOT NULL,
  -- 0: open; -1: a limit of a run; closed ones move to their last entry, so that another may take their place
  place bigint NOT NULL DEFAULT 0,
  cap numeric(30, 0) NOT NULL,
  held numeric(30, 0) NOT NULL DEFAULT 0,
  committed numeric(30, 0) NOT NULL DEFAULT 0,
  entry_no bigint NOT NULL,
  -- null: lifetime
  budget_window text CHECK (budget_window IN ('run', 'hour', 'day', 'month', 'lifetime')),
  -- Unix ms; held and committed are of the window that began then
  window_start_ms bigint NOT NULL DEFAULT 0,
  soft_limit numeric(30, 0),
  overage_policy text CHECK (overage_policy IN ('reject', 'allow_if_available', 'allow_with_overdraft')),
  overdraft_limit numeric(30, 0) CHECK (overdraft_limit >= 0),
  debt numeric(30, 0) NOT NULL DEFAULT 0 CHECK (debt >= 0),
  over_limit boolean NOT NULL DEFAULT false,
  run_limit text CHECK (run_limit IN ('max_steps', 'max_tool_calls', 'max_seconds', 'max_usd')),
  -- windows that are over and in which holds still stand: [{"startMs", "cap", "held", "committed"}]; nearly always null
  earlier jsonb,
  CONSTRAINT budget_place UNIQUE (tenant, scope_path, unit, place),
  CONSTRAINT budget_of_a_run CHECK ((place = -1) = (run_limit IS NOT NULL)),
  CONSTRAINT budget_covers CHECK (held + committed <= cap),
  CONSTRAINT budget_not_negative CHECK (held >= 0 AND committed >= 0)
) WITH (fillfactor = 70);

-- A run whose policy limits it. Its lock stands before its budgets, which come into being with its first claim.
CREATE TABLE run (
  tenant text NOT NULL,
  agent text NOT NULL,
  run_id text NOT NULL,
  -- when its first claim was made; null until then
  started_at_ms bigint,
  PRIMARY KEY (tenant, agent, run_id)
);

-- What a velocity rule has counted for one subject: one row, one lock, and a claim rewrites its few slices.
CREATE TABLE velocity_counter (
  tenant text NOT NULL,
  rule_id text NOT NULL,
  subject text NOT NULL,
  -- [[slice start in Unix ms, count, "amount"]], oldest first, at most those that still count
  slices jsonb NOT NULL DEFAULT '[]',
  -- Unix ms: nothing in it counts from then on
  idle_from_ms bigint NOT NULL DEFAULT extract(epoch FROM clock_timestamp()) * 1000,
  PRIMARY KEY (tenant, rule_id, subject)
) WITH (fillfactor = 70);
`;
