import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Other orders of the open queue, each by an index of its own, which requests were planted, and which follow another action. */
export class QueueSortings1772240000000 implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
    await queryRunner.query(`
ALTER TABLE approval_request
  -- the first of its amounts, as the title names it; '~' stands behind every unit: there is none
  ADD COLUMN amount_unit text COLLATE "C" NOT NULL DEFAULT '~',
  ADD COLUMN amount numeric NOT NULL DEFAULT 0,
  -- who planted it, to see whether it is noticed, and whether it was
  ADD COLUMN planted_by text,
  ADD COLUMN planted_noticed boolean,
  -- the action whose arguments a person changed into these
  ADD COLUMN follows uuid;

UPDATE approval_request r SET amount_unit = coalesce(o.amount->>'unit', '~'), amount = coalesce((o.amount->>'amount')::numeric, 0), planted_by = o.planted_by, follows = o.follows
FROM (SELECT tenant, subject, opened->'facts'->'amounts'->0 AS amount, opened->'canary'->>'planted_by' AS planted_by, (opened->>'follows')::uuid AS follows
  FROM (SELECT tenant, subject, convert_from(bytes, 'UTF8')::json->'data' AS opened FROM event WHERE aggregate = 'approval' AND version = 1) AS first) AS o
WHERE o.tenant = r.tenant AND o.subject = r.approval_id::text;
UPDATE approval_request r SET planted_noticed = v.noticed FROM vote_cast v WHERE v.noticed IS NOT NULL AND v.tenant = r.tenant AND v.approval_id = r.approval_id;

CREATE INDEX approval_request_oldest ON approval_request (tenant, opened_at, approval_id) WHERE status = 'open';
CREATE INDEX approval_request_risk ON approval_request (tenant, (-risk_points), expires_at, approval_id) WHERE status = 'open';
CREATE INDEX approval_request_amount ON approval_request (tenant, amount_unit, (-amount), expires_at, approval_id) WHERE status = 'open';
CREATE INDEX approval_request_planted ON approval_request (tenant, opened_at) WHERE planted_by IS NOT NULL;
CREATE INDEX approval_request_follows ON approval_request (tenant, follows) WHERE follows IS NOT NULL;
`);
  }

  async down(): Promise<void> {
    throw new Error('not undone: drop the schema instead');
  }
}
