import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What came with the other decisions: more of the queue's row, lent roles, looks, parked runs. */
export class DecisionsAndQueue1772100000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
ALTER TABLE approval_request
  ADD COLUMN environment text,
  ADD COLUMN group_key text NOT NULL DEFAULT '',
  ADD COLUMN has_reversal boolean NOT NULL DEFAULT false,
  ADD COLUMN assigned_to text,
  ADD COLUMN assigned_until timestamptz,
  ADD COLUMN deferred_until timestamptz,
  -- people asked by name
  ADD COLUMN asked text[] NOT NULL DEFAULT '{}',
  ADD COLUMN open_questions integer NOT NULL DEFAULT 0,
  ADD COLUMN sla_due_at timestamptz,
  -- when a reminder is due next
  ADD COLUMN remind_at timestamptz,
  ADD COLUMN edited_by text,
  ADD COLUMN decided_by text,
  ADD COLUMN emergency text CHECK (emergency IN ('to_review', 'reviewed'));
CREATE INDEX approval_request_kind ON approval_request (tenant, action_kind, expires_at, approval_id) WHERE status = 'open';
CREATE INDEX approval_request_agent ON approval_request (tenant, agent, expires_at, approval_id) WHERE status = 'open';
CREATE INDEX approval_request_run ON approval_request (tenant, run_id, expires_at, approval_id);
CREATE INDEX approval_request_group ON approval_request (tenant, group_key, expires_at, approval_id) WHERE status = 'open';
CREATE INDEX approval_request_roles ON approval_request USING gin (all_roles) WHERE status = 'open';
CREATE INDEX approval_request_remind ON approval_request (remind_at) WHERE status = 'open' AND remind_at IS NOT NULL;
CREATE INDEX approval_request_ended ON approval_request (tenant, agent, action_kind, resolved_at) WHERE status IN ('granted', 'rejected');
CREATE INDEX approval_request_emergency ON approval_request (tenant, expires_at, approval_id) WHERE emergency = 'to_review';

CREATE TABLE voting_delegation (
  tenant text NOT NULL,
  delegation_id uuid NOT NULL,
  from_person text NOT NULL,
  to_person text NOT NULL,
  role text NOT NULL,
  starts_at timestamptz NOT NULL,
  ends_at timestamptz NOT NULL,
  ended_at timestamptz,
  PRIMARY KEY (tenant, delegation_id)
);
CREATE INDEX voting_delegation_to ON voting_delegation (tenant, to_person) WHERE ended_at IS NULL;
CREATE INDEX voting_delegation_from ON voting_delegation (tenant, from_person);

CREATE TABLE approval_look (
  tenant text NOT NULL,
  approval_id uuid NOT NULL,
  person text NOT NULL,
  first_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, approval_id, person)
);

-- whom to tell of what; body as it is sent, ids and states alone
CREATE TABLE webhook_notice (
  tenant text NOT NULL,
  event_id uuid NOT NULL,
  endpoint text NOT NULL,
  body text NOT NULL,
  attempts integer NOT NULL DEFAULT 0,
  -- null: delivered, or given up
  next_at timestamptz DEFAULT clock_timestamp(),
  delivered_at timestamptz,
  last_fault text,
  PRIMARY KEY (tenant, event_id, endpoint)
);
CREATE INDEX webhook_notice_due ON webhook_notice (next_at) WHERE next_at IS NOT NULL;

-- one row a vote, for questions about how people review
CREATE TABLE vote_cast (
  tenant text NOT NULL,
  vote_event_id uuid NOT NULL,
  approval_id uuid NOT NULL,
  person text NOT NULL,
  vote text NOT NULL,
  action_kind text NOT NULL,
  rule_id text NOT NULL,
  cast_at timestamptz NOT NULL,
  opened_at timestamptz,
  dwell_ms bigint,
  narrowed boolean NOT NULL,
  edited boolean NOT NULL,
  emergency boolean NOT NULL,
  reason_code text,
  PRIMARY KEY (tenant, vote_event_id)
);
CREATE INDEX vote_cast_at ON vote_cast (tenant, cast_at);

CREATE TABLE approval_checkpoint (
  tenant text NOT NULL,
  approval_id uuid NOT NULL,
  action_id uuid NOT NULL,
  run_id text NOT NULL,
  checkpoint_hash text NOT NULL,
  agent text NOT NULL,
  size_bytes integer NOT NULL,
  -- sealed under the action's data key
  sealed bytea NOT NULL,
  stored_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, approval_id)
);
CREATE INDEX approval_checkpoint_run ON approval_checkpoint (tenant, agent, run_id);
`);
  }

  async down(): Promise<void> {
    throw new Error('not undone: drop the schema instead');
  }
}
