import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Which quarantined action a later one was decided anew from. */
export class DecidedAnew1763640300000 implements MigrationInterface {
  readonly name = 'DecidedAnew1763640300000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE action_view ADD COLUMN follows uuid; CREATE UNIQUE INDEX action_view_by_follows ON action_view (tenant, follows) WHERE follows IS NOT NULL;');
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('ALTER TABLE action_view DROP COLUMN follows;');
  }
}
