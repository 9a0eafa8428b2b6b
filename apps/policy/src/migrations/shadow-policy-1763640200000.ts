import type { MigrationInterface, QueryRunner } from 'typeorm';

/** A candidate beside the active policy, and what it would have said differently. */
export class ShadowPolicy1763640200000 implements MigrationInterface {
  readonly name = 'ShadowPolicy1763640200000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
CREATE TABLE policy_shadow (
  tenant text PRIMARY KEY,
  policy_hash text NOT NULL,
  canonical text NOT NULL,
  registered_kinds text[] NOT NULL,
  reason text NOT NULL,
  started_by text NOT NULL,
  started_at timestamptz NOT NULL
);
-- Counted for the candidate with this hash only: another candidate starts at nothing.
CREATE TABLE shadow_count (
  tenant text NOT NULL,
  policy_hash text NOT NULL,
  action_kind text NOT NULL,
  rule_before text NOT NULL,
  rule_after text NOT NULL,
  change text NOT NULL CHECK (change IN ('relaxed', 'tightened', 'unchanged')),
  actions bigint NOT NULL,
  last_action uuid NOT NULL,
  PRIMARY KEY (tenant, policy_hash, action_kind, rule_before, rule_after, change)
);
`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE shadow_count; DROP TABLE policy_shadow;');
  }
}
