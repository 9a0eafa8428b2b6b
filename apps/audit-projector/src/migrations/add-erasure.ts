import type { MigrationInterface, QueryRunner } from 'typeorm';

const DDL = `
-- Actions whose key was destroyed. The event says it too; here it is looked up.
CREATE TABLE erased_action (
  tenant text NOT NULL,
  action_id uuid NOT NULL,
  erased_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT erased_action_pk PRIMARY KEY (tenant, action_id)
);

-- Holds that stand; a lifted one is gone from here and in the log for ever.
CREATE TABLE legal_hold (
  tenant text NOT NULL,
  action_id uuid NOT NULL,
  reason text NOT NULL,
  placed_by text NOT NULL,
  placed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  CONSTRAINT legal_hold_pk PRIMARY KEY (tenant, action_id)
);
`;

export class AddErasure1774000000000 implements MigrationInterface {
  readonly name = 'AddErasure1774000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DDL);
  }

  down(): Promise<void> {
    return Promise.reject(new Error('which actions were erased or held is not forgotten'));
  }
}
