import type { Queryable } from '@exequatur/service-kit';

export interface PolicyVersionRow {
  readonly tenant: string;
  /** bigint as text, as pg gives it */
  readonly version: string;
  readonly policy_hash: string;
  readonly source: string;
  readonly canonical: string;
  readonly registered_kinds: readonly string[];
  readonly reason: string;
  readonly published_by: string;
  readonly published_at: Date;
  readonly rolled_back_to: string | null;
  /** of the organisation's layer that is composed into it; 0: none */
  readonly organisation_version: string;
  /** JWS; null in versions from before bundles */
  readonly bundle: string | null;
  readonly in_force_at: Date | null;
}

export const versionRow = async (db: Queryable, tenant: string, version: number): Promise<PolicyVersionRow | undefined> =>
  (await db.query<PolicyVersionRow>('SELECT * FROM policy_version WHERE tenant = $1 AND version = $2', [tenant, version])).rows[0];

export const latestRow = async (db: Queryable, tenant: string): Promise<PolicyVersionRow | undefined> =>
  (await db.query<PolicyVersionRow>('SELECT * FROM policy_version WHERE tenant = $1 ORDER BY version DESC LIMIT 1', [tenant])).rows[0];

export const insertVersion = async (db: Queryable, row: Omit<PolicyVersionRow, 'in_force_at'>): Promise<void> => {
  await db.query(
    `INSERT INTO policy_version (tenant, version, policy_hash, source, canonical, registered_kinds, reason, published_by, published_at, rolled_back_to, organisation_version, bundle)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
    [row.tenant, row.version, row.policy_hash, row.source, row.canonical, row.registered_kinds, row.reason, row.published_by, row.published_at, row.rolled_back_to, row.organisation_version, row.bundle],
  );
};

/** Kinds that people classified, by kind. */
export const classifiedKinds = async (db: Queryable, tenant: string): Promise<ReadonlyMap<string, string>> => {
  const { rows } = await db.query<{ action_kind: string; action_class: string }>('SELECT action_kind, action_class FROM classified_kind WHERE tenant = $1', [tenant]);
  return new Map(rows.map(({ action_kind, action_class }) => [action_kind, action_class]));
};
