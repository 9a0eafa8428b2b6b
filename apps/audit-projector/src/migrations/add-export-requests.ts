import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What an export was asked for as: the same key with another request is a mistake, not a repetition. */
export class AddExportRequests1775000000000 implements MigrationInterface {
  readonly name = 'AddExportRequests1775000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`ALTER TABLE export ADD COLUMN request text NOT NULL DEFAULT '{"format":"jsonl","filter":{}}'`);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('what was taken out is not forgotten'));
  }
}
