/**
 * Circuits, what they are judged on, and what an agent usually asks for. Outcomes are put down where they happen, in the
 * transaction that brings them, and folded by whoever judges next: nobody on the way to a claim waits for a count.
 */
export const circuitDdl = (): string => `
CREATE TABLE circuit (
  circuit_id uuid PRIMARY KEY,
  tenant text NOT NULL,
  agent text NOT NULL,
  action_kind text,
  -- changes under the tenant's exclusive fence only
  status text NOT NULL DEFAULT 'Closed' CHECK (status IN ('Closed', 'Open', 'HalfOpen')),
  fence_epoch bigint NOT NULL DEFAULT 0,
  moved_at timestamptz NOT NULL DEFAULT '-infinity',
  -- OutcomeCounts of reservations-domain
  counts jsonb NOT NULL DEFAULT '[]',
  probes integer NOT NULL DEFAULT 0,
  probes_left integer NOT NULL DEFAULT 0,
  succeeded integer NOT NULL DEFAULT 0,
  failed text CHECK (failed IN ('refused', 'unknown')),
  -- what was folded may move it
  due boolean NOT NULL DEFAULT false,
  CONSTRAINT probes_given CHECK (probes_left BETWEEN 0 AND probes AND succeeded BETWEEN 0 AND probes)
);
CREATE INDEX circuit_standing ON circuit (tenant) WHERE status <> 'Closed';
CREATE INDEX circuit_due ON circuit (circuit_id) WHERE due;

-- Seen and not folded yet.
CREATE TABLE circuit_outcome (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant text NOT NULL,
  agent text NOT NULL,
  action_kind text NOT NULL,
  outcome text NOT NULL CHECK (outcome IN ('accepted', 'rejected', 'denied_after_approval', 'probe_committed', 'probe_unknown', 'probe_given_back')),
  -- of probes
  reservation_id uuid,
  at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Of which half-opening a claim is a probe, while it stands.
CREATE TABLE circuit_probe (reservation_id uuid NOT NULL, circuit_id uuid NOT NULL, fence_epoch bigint NOT NULL, PRIMARY KEY (reservation_id, circuit_id));

-- Who asked for what people have not decided yet: a rejection names the request only.
CREATE TABLE circuit_asked (approval_id uuid PRIMARY KEY, tenant text NOT NULL, agent text NOT NULL, action_kind text NOT NULL, opened_at timestamptz NOT NULL DEFAULT clock_timestamp());
CREATE INDEX circuit_asked_by_age ON circuit_asked (opened_at);

-- The kinds an agent asks for: its past, and by tenths of the window what is recent.
CREATE TABLE agent_kinds (
  tenant text NOT NULL,
  agent text NOT NULL,
  past jsonb NOT NULL DEFAULT '{}',
  recent jsonb NOT NULL DEFAULT '[]',
  warned_at timestamptz,
  due boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant, agent)
);
CREATE INDEX agent_kinds_due ON agent_kinds (tenant, agent) WHERE due;
`;
