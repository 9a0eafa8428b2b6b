import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What people were asked, and refused, by a keyed hash: so that they are not asked again. Holds nothing personal in clear. */
export class RememberRejections1763640100000 implements MigrationInterface {
  readonly name = 'RememberRejections1763640100000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
CREATE TABLE equality_key (
  tenant text PRIMARY KEY,
  key bytea NOT NULL CHECK (length(key) = 32)
);
-- One row an action that waits for people, or was rejected; the row of any other end is deleted.
CREATE TABLE asked_proposal (
  tenant text NOT NULL,
  action_id uuid NOT NULL,
  agent text NOT NULL,
  run_id text NOT NULL,
  -- HMAC-SHA256 under the tenant's key
  equality bytea NOT NULL,
  holds text NOT NULL CHECK (holds IN ('run', 'agent')),
  rejected_at timestamptz,
  reason_code text,
  instruction text,
  PRIMARY KEY (tenant, action_id)
);
CREATE INDEX asked_proposal_rejected ON asked_proposal (tenant, agent, equality) WHERE rejected_at IS NOT NULL;
`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE asked_proposal; DROP TABLE equality_key;');
  }
}
