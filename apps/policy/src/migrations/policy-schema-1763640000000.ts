import { eventStoreDdl } from '@exequatur/event-store';
import { inboxDdl } from '@exequatur/messaging';
import { directoryDdl, idempotencyDdl } from '@exequatur/service-kit';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tables of policy's own schema; unqualified, since the search path names it. */
export class PolicySchema1763640000000 implements MigrationInterface {
  readonly name = 'PolicySchema1763640000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    for (const ddl of [eventStoreDdl(), inboxDdl(), idempotencyDdl(), directoryDdl(), POLICY_DDL]) await queryRunner.query(ddl);
  }

  async down(): Promise<void> {
    throw new Error('the first schema is not taken back: it holds events');
  }
}

const POLICY_DDL = `
CREATE TABLE policy_version (
  tenant text NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  policy_hash text NOT NULL,
  source text NOT NULL,
  canonical text NOT NULL,
  registered_kinds text[] NOT NULL,
  reason text NOT NULL,
  published_by text NOT NULL,
  published_at timestamptz NOT NULL,
  -- set when it is an earlier source published again
  rolled_back_to bigint,
  -- reservations acts on nothing older from then on
  in_force_at timestamptz,
  PRIMARY KEY (tenant, version)
);
CREATE TABLE classified_kind (
  tenant text NOT NULL,
  action_kind text NOT NULL,
  action_class text NOT NULL,
  PRIMARY KEY (tenant, action_kind)
);
-- One row an action: the document is a fold of the action's events; the columns are what lists ask for.
CREATE TABLE action_view (
  tenant text NOT NULL,
  action_id uuid NOT NULL,
  agent text NOT NULL,
  run_id text NOT NULL,
  status text NOT NULL,
  idempotency_key text,
  -- json, not jsonb: text that others chose may hold characters that jsonb refuses, and nothing looks inside
  document json NOT NULL,
  PRIMARY KEY (tenant, action_id)
);
CREATE INDEX action_view_by_agent ON action_view (tenant, agent, action_id DESC);
CREATE INDEX action_view_by_run ON action_view (tenant, run_id, action_id DESC);
CREATE INDEX action_view_by_status ON action_view (tenant, status, action_id DESC);
CREATE INDEX action_view_by_key ON action_view (tenant, agent, idempotency_key) WHERE idempotency_key IS NOT NULL;
`;
