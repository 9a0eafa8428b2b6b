import type { MigrationInterface, QueryRunner } from 'typeorm';

const DDL = `
-- Signature lines of witnesses, as they go into the note of their tree head. Only ever added.
CREATE TABLE cosignature (
  tenant text NOT NULL,
  size bigint NOT NULL,
  witness text NOT NULL,
  line text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  made_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
  CONSTRAINT cosignature_pk PRIMARY KEY (tenant, size, witness),
  CONSTRAINT cosignature_of_head FOREIGN KEY (tenant, size) REFERENCES tree_head (tenant, size)
);
CREATE TRIGGER cosignature_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON cosignature FOR EACH STATEMENT EXECUTE FUNCTION log_is_append_only();

-- What we think each witness remembers; the witness itself says when that is wrong.
CREATE TABLE witness_progress (
  tenant text NOT NULL,
  witness text NOT NULL,
  size bigint NOT NULL,
  CONSTRAINT witness_progress_pk PRIMARY KEY (tenant, witness)
);

-- Cosignatures visible then stand in the export's notes, later ones do not: asking again gives the same bytes.
ALTER TABLE export ADD COLUMN cosigned_in pg_snapshot;
`;

/** Cosignatures beside the tree heads they belong to. */
export class AddWitnesses1773000000000 implements MigrationInterface {
  readonly name = 'AddWitnesses1773000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DDL);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('cosignatures are evidence and are not undone'));
  }
}
