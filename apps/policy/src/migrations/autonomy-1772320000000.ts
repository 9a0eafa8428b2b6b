import type { MigrationInterface, QueryRunner } from 'typeorm';

/** How far agents are left to themselves, and how their actions ended with people. */
export class Autonomy1772320000000 implements MigrationInterface {
  readonly name = 'Autonomy1772320000000';

  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
CREATE TABLE autonomy_level (
  tenant text NOT NULL,
  agent text NOT NULL,
  action_kind text NOT NULL,
  level text NOT NULL CHECK (level IN ('observe_only', 'gate_all', 'log', 'auto')),
  reason text NOT NULL,
  changed_by text NOT NULL,
  -- what came before counts no longer
  changed_at timestamptz NOT NULL,
  PRIMARY KEY (tenant, agent, action_kind)
);
-- One row an action, however many facts tell of it and in whichever order.
CREATE TABLE autonomy_outcome (
  tenant text NOT NULL,
  action_id uuid NOT NULL,
  agent text NOT NULL,
  action_kind text NOT NULL,
  decision text CHECK (decision IN ('approved', 'edited', 'rejected')),
  denied boolean NOT NULL,
  at timestamptz NOT NULL,
  -- rises with every change, so that what is judged is what was read
  change bigserial,
  judged boolean NOT NULL DEFAULT false,
  PRIMARY KEY (tenant, action_id)
);
CREATE INDEX autonomy_outcome_by_kind ON autonomy_outcome (tenant, agent, action_kind, at);
CREATE INDEX autonomy_outcome_to_judge ON autonomy_outcome (change) WHERE NOT judged;
`);
  }

  async down(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query('DROP TABLE autonomy_outcome; DROP TABLE autonomy_level;');
  }
}
