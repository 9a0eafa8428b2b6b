import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Revocations until they took effect, reason codes of tenants, planted requests, reviews after the fact. */
export class Reviewing1772220000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
ALTER TABLE approval_request ADD COLUMN revocation text CHECK (revocation IN ('asked', 'effective'));
UPDATE approval_request SET revocation = 'asked' WHERE status = 'revoked';
CREATE INDEX approval_request_revocation ON approval_request (approval_id) WHERE revocation = 'asked';

CREATE TABLE rejection_reasons (
  tenant text PRIMARY KEY,
  codes text[] NOT NULL
);

ALTER TABLE vote_cast
  -- less strict than what the rule suggested: alone in an emergency, or approved in full where it suggests to narrow or reject
  ADD COLUMN overrides boolean NOT NULL DEFAULT false,
  -- a decision on a planted request: whether it was noticed; such decisions are counted nowhere else
  ADD COLUMN noticed boolean;

-- allowed actions that were drawn for review: a pure function of each one's stream
CREATE TABLE action_review (
  tenant text NOT NULL,
  action_id uuid NOT NULL,
  version integer NOT NULL,
  tier text NOT NULL,
  rule_id text NOT NULL,
  agent text NOT NULL,
  action_kind text NOT NULL,
  opened_at timestamptz NOT NULL,
  judgement text CHECK (judgement IN ('right', 'wrong')),
  reviewed_by text,
  reviewed_at timestamptz,
  PRIMARY KEY (tenant, action_id)
);
CREATE INDEX action_review_open ON action_review (tenant, action_id) WHERE judgement IS NULL;
`);
  }

  async down(): Promise<void> {
    throw new Error('not undone: drop the schema instead');
  }
}
