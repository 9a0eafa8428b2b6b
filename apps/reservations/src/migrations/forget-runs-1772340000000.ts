import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What the sweep of runs saw last, so that a run in which nothing moves any more can be told from one that goes on. */
export class ForgetRuns1772340000000 implements MigrationInterface {
  readonly name = 'ForgetRuns1772340000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`
ALTER TABLE run
  ADD COLUMN looked_at timestamptz,
  -- entries of its limits altogether when it was looked at, and since when they are so many
  ADD COLUMN entries bigint,
  ADD COLUMN unchanged_since timestamptz;
CREATE INDEX run_by_look ON run (looked_at NULLS FIRST);
`);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE run DROP COLUMN looked_at, DROP COLUMN entries, DROP COLUMN unchanged_since;');
  }
}
