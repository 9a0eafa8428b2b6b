import type { MigrationInterface, QueryRunner } from 'typeorm';

const DDL = `
-- The bytes of a leaf may go, once, when its action is no longer kept. All else of it stays for ever.
ALTER TABLE leaf ADD COLUMN pruned boolean NOT NULL DEFAULT false;
DROP TRIGGER leaf_is_append_only ON leaf;
CREATE TRIGGER leaf_is_append_only BEFORE DELETE OR TRUNCATE ON leaf FOR EACH STATEMENT EXECUTE FUNCTION log_is_append_only();
CREATE FUNCTION leaf_is_only_pruned() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE allowed leaf%ROWTYPE := OLD;
BEGIN
  allowed.bytes := ''; allowed.path := NULL; allowed.signature := NULL; allowed.pruned := true;
  IF OLD.pruned OR NEW IS DISTINCT FROM allowed THEN
    RAISE EXCEPTION 'the log is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER leaf_is_only_pruned BEFORE UPDATE ON leaf FOR EACH ROW EXECUTE FUNCTION leaf_is_only_pruned();

-- Actions that are looked at again only when they can be due.
CREATE TABLE retention_check (
  tenant text NOT NULL,
  action_id text NOT NULL,
  due_at timestamptz NOT NULL,
  CONSTRAINT retention_check_pk PRIMARY KEY (tenant, action_id)
);
`;

export class AddRetention1778000000000 implements MigrationInterface {
  readonly name = 'AddRetention1778000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DDL);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('what was pruned does not come back'));
  }
}
