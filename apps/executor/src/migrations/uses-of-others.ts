import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Uses that a child agent asked for, of a grant that another agent handed on to it. */
export class UsesOfOthers1772400000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
ALTER TABLE execution
  -- what the child asked under, and whose grant it is; agent is the child
  ADD COLUMN delegation_id uuid,
  ADD COLUMN granted_to text,
  ADD CONSTRAINT used_under_a_delegation CHECK ((delegation_id IS NULL) = (granted_to IS NULL));`);
  }

  async down(): Promise<void> {
    throw new Error('who used whose grant is not forgotten');
  }
}
