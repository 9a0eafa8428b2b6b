import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Published policies that were not believed. */
export class RefusedBundles1772310000000 implements MigrationInterface {
  readonly name = 'RefusedBundles1772310000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
CREATE TABLE refused_bundle (
  tenant text PRIMARY KEY,
  policy_version bigint NOT NULL,
  fault text NOT NULL CHECK (fault IN ('hash', 'signature')),
  refused_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE refused_bundle;');
  }
}
