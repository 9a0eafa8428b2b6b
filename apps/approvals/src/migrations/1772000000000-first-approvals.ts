import { eventStoreDdl } from '@exequatur/event-store';
import { inboxDdl } from '@exequatur/messaging';
import { directoryDdl, idempotencyDdl } from '@exequatur/service-kit';
import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Tables of the platform, and the queue: one row a request, a pure function of the request's stream. */
export class FirstApprovals1772000000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    for (const ddl of [eventStoreDdl(), inboxDdl(), idempotencyDdl(), directoryDdl()]) await queryRunner.query(ddl);
    await queryRunner.query(`
CREATE TABLE approval_request (
  tenant text NOT NULL,
  approval_id uuid NOT NULL,
  action_id uuid NOT NULL,
  -- events that changed the request; what If-Match compares
  version integer NOT NULL,
  status text NOT NULL CHECK (status IN ('open', 'granted', 'rejected', 'answered', 'expired', 'cancelled', 'revoked')),
  agent text NOT NULL,
  agent_owner text,
  run_id text NOT NULL,
  action_kind text NOT NULL,
  action_class text,
  -- facts only: nothing personal stands in the open
  title text NOT NULL,
  why text NOT NULL,
  next_effect text NOT NULL,
  risk_points integer NOT NULL,
  stages jsonb NOT NULL,
  stage integer NOT NULL,
  approvals jsonb NOT NULL,
  -- of the stage that is being answered, and of all
  current_roles text[] NOT NULL,
  all_roles text[] NOT NULL,
  on_timeout text NOT NULL,
  policy_hash text NOT NULL,
  policy_version bigint NOT NULL,
  rule_id text NOT NULL,
  arguments_hash text NOT NULL,
  view_hash text NOT NULL,
  opened_at timestamptz NOT NULL,
  expires_at timestamptz NOT NULL,
  resolved_at timestamptz,
  PRIMARY KEY (tenant, approval_id)
) WITH (fillfactor = 80);
CREATE INDEX approval_request_open ON approval_request (tenant, expires_at, approval_id) WHERE status = 'open';
CREATE INDEX approval_request_all ON approval_request (tenant, expires_at, approval_id);
CREATE INDEX approval_request_due ON approval_request (expires_at) WHERE status = 'open';
CREATE INDEX approval_request_action ON approval_request (tenant, action_id);
`);
  }

  async down(): Promise<void> {
    throw new Error('the first migration is not undone: drop the schema instead');
  }
}
