import type { AutonomyLevel } from '@exequatur/contracts';
import { withLevel } from '@exequatur/policy-domain';
import type { AutonomyLevels } from '@exequatur/policy-domain';
import type { Queryable } from '@exequatur/service-kit';

export interface LevelRow {
  readonly agent: string;
  /** `*`: the kinds that have no row */
  readonly action_kind: string;
  readonly level: AutonomyLevel;
  readonly reason: string;
  readonly changed_by: string;
  readonly changed_at: Date;
}

export const levelRows = async (db: Queryable, tenant: string, agent?: string): Promise<readonly LevelRow[]> =>
  (await db.query<LevelRow>('SELECT * FROM autonomy_level WHERE tenant = $1 AND ($2::text IS NULL OR agent = $2) ORDER BY agent, action_kind', [tenant, agent ?? null])).rows;

/** As they are composed into the tenant's next version. */
export const levelsNow = async (db: Queryable, tenant: string): Promise<AutonomyLevels> =>
  (await levelRows(db, tenant)).reduce<AutonomyLevels>((levels, { agent, action_kind: kind, level }) => withLevel(levels, agent, kind, level), {});

export const putLevel = async (db: Queryable, tenant: string, { agent, action_kind: kind, level, reason, changed_by: by, changed_at: at }: LevelRow): Promise<void> => {
  await db.query(
    `INSERT INTO autonomy_level (tenant, agent, action_kind, level, reason, changed_by, changed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
     ON CONFLICT (tenant, agent, action_kind) DO UPDATE SET level = excluded.level, reason = excluded.reason, changed_by = excluded.changed_by, changed_at = excluded.changed_at`,
    [tenant, agent, kind, level, reason, by, at],
  );
};
