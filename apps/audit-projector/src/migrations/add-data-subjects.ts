import type { MigrationInterface, QueryRunner } from 'typeorm';

const DDL = `
-- Read model: which actions name a person. Keyed hashes of what they say, never the words; gone with the action's key.
CREATE TABLE data_subject (
  tenant text NOT NULL,
  token bytea NOT NULL CHECK (octet_length(token) = 32),
  action_id uuid NOT NULL,
  CONSTRAINT data_subject_pk PRIMARY KEY (tenant, token, action_id)
);
CREATE INDEX data_subject_action ON data_subject (tenant, action_id);

CREATE TABLE data_subject_cursor (
  tenant text PRIMARY KEY,
  -- leaves below this are indexed
  next_sequence bigint NOT NULL
);
`;

export class AddDataSubjects1777000000000 implements MigrationInterface {
  readonly name = 'AddDataSubjects1777000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DDL);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE data_subject; DROP TABLE data_subject_cursor');
  }
}
