import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Unknown executions whose tool is asked what became of them, and due ones found by tool, so that none waits behind another's. */
export class AskTools1772100000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
ALTER TABLE execution
  -- of an unknown one: when its tool is asked next (NULL: not again), how often it was, and what it said last
  ADD COLUMN ask_at timestamptz,
  ADD COLUMN asks integer NOT NULL DEFAULT 0,
  ADD COLUMN tool_said text;
UPDATE execution SET ask_at = clock_timestamp() WHERE status = 'unknown';
CREATE INDEX execution_to_ask ON execution (ask_at) WHERE status = 'unknown' AND ask_at IS NOT NULL;
CREATE INDEX execution_unknown ON execution (tenant, position DESC) WHERE status = 'unknown';
DROP INDEX execution_due;
CREATE INDEX execution_due ON execution (tenant, tool_name, tool_version, next_step_at) WHERE status = 'requested';`);
  }

  async down(): Promise<void> {
    throw new Error('what tools said is not taken back');
  }
}
