import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The outbox of webhooks becomes that of every channel; endpoints over the API, addresses, cards in Slack. */
export class Channels1772210000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
ALTER TABLE webhook_notice RENAME TO notice;
ALTER TABLE notice RENAME COLUMN endpoint TO address;
ALTER TABLE notice
  ADD COLUMN channel text NOT NULL DEFAULT 'webhook',
  -- null: an alert, which is about no single request
  ADD COLUMN approval_id uuid,
  ADD COLUMN happening text NOT NULL DEFAULT 'approval.resolved',
  ADD COLUMN kept_at timestamptz NOT NULL DEFAULT clock_timestamp();
ALTER TABLE notice ALTER COLUMN channel DROP DEFAULT, ALTER COLUMN happening DROP DEFAULT;
ALTER TABLE notice DROP CONSTRAINT webhook_notice_pkey, ADD PRIMARY KEY (tenant, event_id, channel, address);
DROP INDEX webhook_notice_due;
CREATE INDEX notice_due ON notice (channel, next_at) WHERE next_at IS NOT NULL;
CREATE INDEX notice_address ON notice (tenant, channel, address, kept_at);

CREATE TABLE webhook_endpoint (
  tenant text NOT NULL,
  name text NOT NULL,
  url text NOT NULL,
  -- sealed under the endpoint's data key
  secret bytea NOT NULL,
  events text[] NOT NULL,
  configured_by text NOT NULL,
  configured_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, name)
);

-- where people get mail; no event holds an address, so it can go
CREATE TABLE mail_address (
  tenant text NOT NULL,
  person text NOT NULL,
  address text NOT NULL,
  events text[] NOT NULL,
  set_by text NOT NULL,
  set_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, person)
);

-- one card a request and workspace; whoever holds the lease writes it
CREATE TABLE slack_card (
  tenant text NOT NULL,
  approval_id uuid NOT NULL,
  installation text NOT NULL,
  -- null until it was posted
  channel text,
  ts text,
  leased_until timestamptz,
  PRIMARY KEY (tenant, approval_id, installation)
);

-- what Slack sent, acknowledged and not yet worked on; content goes when it was
CREATE TABLE slack_interaction (
  digest text PRIMARY KEY,
  installation text NOT NULL,
  payload text,
  attempts integer NOT NULL DEFAULT 0,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  next_at timestamptz DEFAULT clock_timestamp() + interval '10 seconds',
  outcome text
);
CREATE INDEX slack_interaction_due ON slack_interaction (next_at) WHERE next_at IS NOT NULL;

CREATE TABLE saved_view (
  tenant text NOT NULL,
  person text NOT NULL,
  name text NOT NULL,
  query jsonb NOT NULL,
  saved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (tenant, person, name)
);

CREATE INDEX approval_request_expired ON approval_request (resolved_at) WHERE status = 'expired';
`);
  }

  async down(): Promise<void> {
    throw new Error('not undone: drop the schema instead');
  }
}
