import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Accounts by their person. Not unique, as in the rest of the projection: an account that two share signs nobody in. */
export const accountsDdl = (): string => `
CREATE TABLE directory_account (tenant text NOT NULL, subject text NOT NULL, person text NOT NULL, PRIMARY KEY (tenant, subject, person));
INSERT INTO directory_account (tenant, subject, person) SELECT tenant, subject, person FROM directory_person;
`;

/** Every service that keeps a directory lists it among its migrations. */
export class DirectoryAccounts1772200000000 implements MigrationInterface {
  async up(runner: QueryRunner): Promise<void> {
    await runner.query(accountsDdl());
  }

  down(): Promise<void> {
    return Promise.reject(new Error('migrations only go forward'));
  }
}
