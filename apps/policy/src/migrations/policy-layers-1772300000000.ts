import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What stands above and beside a tenant's own policy, and policies that are not published yet. */
export class PolicyLayers1772300000000 implements MigrationInterface {
  readonly name = 'PolicyLayers1772300000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
CREATE TABLE organisation_policy (
  version bigint PRIMARY KEY CHECK (version > 0),
  policy_hash text NOT NULL,
  source text NOT NULL,
  canonical text NOT NULL,
  reason text NOT NULL,
  published_by text NOT NULL,
  published_at timestamptz NOT NULL
);
-- The overlays that the tenant's next version is composed of; versions count the changes of one name.
CREATE TABLE policy_overlay (
  tenant text NOT NULL,
  name text NOT NULL,
  version bigint NOT NULL CHECK (version > 0),
  scope text NOT NULL,
  policy_hash text NOT NULL,
  -- empty: taken away
  source text NOT NULL,
  canonical text NOT NULL,
  PRIMARY KEY (tenant, name)
);
ALTER TABLE policy_version ADD COLUMN organisation_version bigint NOT NULL DEFAULT 0, ADD COLUMN bundle text;
CREATE TABLE policy_draft (
  tenant text NOT NULL,
  draft_id uuid NOT NULL,
  source text NOT NULL,
  overlay_name text,
  overlay_scope text,
  reason text NOT NULL,
  drafted_by text NOT NULL,
  drafted_at timestamptz NOT NULL,
  policy_hash text NOT NULL,
  base_version bigint NOT NULL,
  published_version bigint,
  PRIMARY KEY (tenant, draft_id)
);
`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE policy_draft; ALTER TABLE policy_version DROP COLUMN organisation_version, DROP COLUMN bundle; DROP TABLE policy_overlay; DROP TABLE organisation_policy;');
  }
}
