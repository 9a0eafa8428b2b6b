import type { MigrationInterface, QueryRunner } from 'typeorm';

const DDL = `
-- Read model: one row an action, what the workflow metrics are counted from. Made from the timeline behind a cursor, away from
-- the path of appends; emptied and made again, it is the same.
CREATE TABLE action_fact (
  tenant text NOT NULL,
  action_id text NOT NULL,
  -- NULL until the proposal is seen: events of an action may be logged in any order
  proposed_at timestamptz,
  kind text,
  agent text,
  -- what the fold keeps (fold-fact.ts)
  fact jsonb NOT NULL,
  CONSTRAINT action_fact_pk PRIMARY KEY (tenant, action_id)
);
CREATE INDEX action_fact_proposed ON action_fact (tenant, proposed_at);

CREATE TABLE action_fact_cursor (
  tenant text PRIMARY KEY,
  -- leaves below this are folded
  next_sequence bigint NOT NULL
);
`;

export class AddWorkflowMetrics1776000000000 implements MigrationInterface {
  readonly name = 'AddWorkflowMetrics1776000000000';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(DDL);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE action_fact; DROP TABLE action_fact_cursor');
  }
}
