import { eventStoreDdl } from '@exequatur/event-store';
import { inboxDdl } from '@exequatur/messaging';
import { directoryDdl, idempotencyDdl } from '@exequatur/service-kit';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateExecutor1772000000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    for (const ddl of [eventStoreDdl(), inboxDdl(), idempotencyDdl(), directoryDdl(), EXECUTOR_DDL]) await queryRunner.query(ddl);
  }

  async down(): Promise<void> {
    throw new Error('the first schema is not taken back: it holds events');
  }
}

const EXECUTOR_DDL = `
CREATE TABLE managed_grant (
  tenant text NOT NULL,
  grant_id uuid NOT NULL,
  action_id uuid NOT NULL,
  agent text NOT NULL,
  max_uses integer NOT NULL CHECK (max_uses > 0),
  -- the signed grant, and its claims as they were verified
  grant_jws text NOT NULL,
  claims jsonb NOT NULL,
  expires_at timestamptz NOT NULL,
  -- sealed content of the event that brought it (salt, arguments): ciphertext under the action's data key
  content jsonb NOT NULL,
  content_event_id uuid NOT NULL,
  PRIMARY KEY (tenant, grant_id)
);
CREATE INDEX managed_grant_by_action ON managed_grant (tenant, action_id);

-- One use of one managed grant. The events of its stream are the record; this row is where the work stands.
CREATE TABLE execution (
  tenant text NOT NULL,
  execution_id uuid NOT NULL,
  -- order of lists
  position bigint GENERATED ALWAYS AS IDENTITY,
  action_id uuid NOT NULL,
  grant_id uuid NOT NULL,
  use_no integer NOT NULL CHECK (use_no > 0),
  agent text NOT NULL,
  tool_name text NOT NULL,
  tool_version text NOT NULL,
  status text NOT NULL CHECK (status IN ('requested', 'started', 'succeeded', 'failed', 'unknown', 'reconciled', 'skipped')),
  -- of reservations: with execution_id the idempotency key of an ask
  attempt integer NOT NULL DEFAULT 1 CHECK (attempt > 0),
  -- asks without a yes so far, and what the last one said
  waits integer NOT NULL DEFAULT 0,
  waiting_for text,
  next_step_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  -- whose it is, and until when without a further sign of life (this database's clock)
  lease_owner uuid,
  lease_until timestamptz,
  reservation_id uuid,
  execute_by timestamptz,
  max_runtime_ms bigint,
  code text,
  reconciled_as text,
  provider_request_id text,
  requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  started_at timestamptz,
  ended_at timestamptz,
  PRIMARY KEY (tenant, execution_id),
  UNIQUE (tenant, grant_id, use_no),
  CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
  -- a started execution always has an owner: that it is gone can be seen
  CHECK (status <> 'started' OR (lease_until IS NOT NULL AND reservation_id IS NOT NULL AND execute_by IS NOT NULL))
) WITH (fillfactor = 80);
CREATE INDEX execution_due ON execution (next_step_at) WHERE status = 'requested';
CREATE INDEX execution_running ON execution (lease_until) WHERE status = 'started';
CREATE INDEX execution_newest ON execution (tenant, position DESC);
CREATE INDEX execution_by_action ON execution (tenant, action_id, position DESC);

CREATE TABLE connector (
  connector_id uuid PRIMARY KEY,
  tenant text NOT NULL,
  tool_name text NOT NULL,
  tool_version text NOT NULL,
  type text NOT NULL CHECK (type IN ('http', 'smtp')),
  settings jsonb NOT NULL,
  -- AES-256-GCM under a data key of its own, wrapped under the tenant's key
  credential bytea,
  configured_by text NOT NULL,
  configured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (tenant, tool_name, tool_version)
);
`;
