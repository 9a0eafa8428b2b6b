/** What agents handed on. The row carries what was claimed under it, by its child and everyone below. */
export const delegationDdl = (): string => `
CREATE TABLE delegation (
  tenant text NOT NULL,
  delegation_id uuid NOT NULL,
  parent_type text NOT NULL CHECK (parent_type IN ('grant', 'run', 'delegation')),
  parent_id text NOT NULL,
  -- the one above it, where its parent is one
  above uuid,
  from_agent text NOT NULL,
  to_agent text NOT NULL,
  run_id text NOT NULL,
  depth integer NOT NULL CHECK (depth BETWEEN 1 AND 3),
  authority text NOT NULL,
  max_uses integer,
  revoked boolean NOT NULL DEFAULT false,
  uses integer NOT NULL DEFAULT 0,
  amounts text NOT NULL DEFAULT '{}',
  PRIMARY KEY (tenant, delegation_id),
  CONSTRAINT above_is_a_delegation CHECK ((above IS NOT NULL) = (parent_type = 'delegation')),
  CONSTRAINT uses_handed_on CHECK (uses >= 0 AND (max_uses IS NULL OR uses <= max_uses))
) WITH (fillfactor = 80);
`;
