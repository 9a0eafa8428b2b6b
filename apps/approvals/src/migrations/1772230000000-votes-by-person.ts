import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whose votes stand behind a grant, when somebody loses a role. */
export class VotesByPerson1772230000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('CREATE INDEX vote_cast_person ON vote_cast (tenant, person, cast_at)');
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}
