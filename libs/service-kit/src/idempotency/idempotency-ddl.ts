/** Table of idempotent answers, unqualified: it lands in the schema of whoever runs it. Part of a service's first migration. */
export const idempotencyDdl = (): string => `
CREATE TABLE idempotency (
  -- SHA-256 over schema, tenant, principal, operation and key
  scope bytea PRIMARY KEY CHECK (octet_length(scope) = 32),
  input_hash bytea NOT NULL CHECK (octet_length(input_hash) = 32),
  status smallint NOT NULL CHECK (status BETWEEN 200 AND 499 AND status <> 429),
  headers json NOT NULL,
  -- ciphertext under the action's data key when action_id is set
  body bytea NOT NULL,
  tenant text NOT NULL,
  action_id uuid,
  kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL
);
-- Rows come about in the order of their expiry, and only the sweep asks for it.
CREATE INDEX idempotency_expiry ON idempotency USING brin (expires_at) WITH (pages_per_range = 16, autosummarize = on);
`;
