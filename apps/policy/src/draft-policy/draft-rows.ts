import type { Queryable } from '@exequatur/service-kit';

export interface DraftRow {
  readonly tenant: string;
  readonly draft_id: string;
  readonly source: string;
  /** of an overlay; null: the tenant's own policy */
  readonly overlay_name: string | null;
  readonly overlay_scope: string | null;
  readonly reason: string;
  readonly drafted_by: string;
  readonly drafted_at: Date;
  /** of what would have been published when it was written */
  readonly policy_hash: string;
  readonly base_version: string;
  readonly published_version: string | null;
}

export const insertDraft = async (db: Queryable, row: Omit<DraftRow, 'published_version'>): Promise<void> => {
  await db.query(
    `INSERT INTO policy_draft (tenant, draft_id, source, overlay_name, overlay_scope, reason, drafted_by, drafted_at, policy_hash, base_version)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
    [row.tenant, row.draft_id, row.source, row.overlay_name, row.overlay_scope, row.reason, row.drafted_by, row.drafted_at, row.policy_hash, row.base_version],
  );
};

export const draftRow = async (db: Queryable, tenant: string, draftId: string): Promise<DraftRow | undefined> =>
  (await db.query<DraftRow>('SELECT * FROM policy_draft WHERE tenant = $1 AND draft_id = $2', [tenant, draftId])).rows[0];

/** Newest first, from below `before`; one row more than `limit` where there are more. */
export const draftRows = async (db: Queryable, tenant: string, before: string | undefined, limit: number): Promise<readonly DraftRow[]> =>
  (await db.query<DraftRow>('SELECT * FROM policy_draft WHERE tenant = $1 AND ($2::uuid IS NULL OR draft_id < $2) ORDER BY draft_id DESC LIMIT $3', [tenant, before ?? null, limit + 1])).rows;

export const markPublished = async (db: Queryable, tenant: string, draftId: string, version: number): Promise<void> => {
  await db.query('UPDATE policy_draft SET published_version = $3 WHERE tenant = $1 AND draft_id = $2', [tenant, draftId, version]);
};
