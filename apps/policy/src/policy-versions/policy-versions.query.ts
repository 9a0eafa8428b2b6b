import { Injectable } from '@nestjs/common';
import { Database, problem } from '@exequatur/service-kit';
import type { PolicyVersionRow } from './policy-version-rows.js';
import { versionRow } from './policy-version-rows.js';

/** A published version as lists show it; `in_force_at` is absent until reservations has switched. */
const summaryOf = (row: PolicyVersionRow) => ({
  policy_version: Number(row.version),
  policy_hash: row.policy_hash,
  reason: row.reason,
  published_by: row.published_by,
  published_at: row.published_at.toISOString(),
  status: row.in_force_at === null ? ('published' as const) : ('in_force' as const),
  ...(row.in_force_at === null ? {} : { in_force_at: row.in_force_at.toISOString() }),
  ...(row.organisation_version === '0' ? {} : { organisation_version: Number(row.organisation_version) }),
  ...(row.rolled_back_to === null ? {} : { rolled_back_to: Number(row.rolled_back_to) }),
});
export type PolicyVersionSummary = ReturnType<typeof summaryOf>;
export type WholeVersion = PolicyVersionSummary & { readonly source: string; readonly registered_kinds: readonly string[]; /** what the hash and the bundle are of */ readonly canonical: string; readonly bundle?: string };

@Injectable()
export class PolicyVersions {
  constructor(private readonly database: Database) {}

  /** Newest first, from below `before`; one row more than `limit` where there are more. */
  async page(tenant: string, before: number | undefined, limit: number): Promise<readonly PolicyVersionSummary[]> {
    const { rows } = await this.database.query<PolicyVersionRow>('SELECT * FROM policy_version WHERE tenant = $1 AND ($2::bigint IS NULL OR version < $2) ORDER BY version DESC LIMIT $3', [tenant, before ?? null, limit + 1]);
    return rows.map(summaryOf);
  }

  async one(tenant: string, version: number): Promise<WholeVersion> {
    return whole((await versionRow(this.database, tenant, version)) ?? problem('NOT_FOUND'));
  }

  /** The newest version that reservations acts on; NOT_FOUND until there is one. */
  async inForce(tenant: string): Promise<WholeVersion> {
    const { rows } = await this.database.query<PolicyVersionRow>('SELECT * FROM policy_version WHERE tenant = $1 AND in_force_at IS NOT NULL ORDER BY version DESC LIMIT 1', [tenant]);
    return whole(rows[0] ?? problem('NOT_FOUND', 'no policy is in force yet'));
  }
}

const whole = (row: PolicyVersionRow): WholeVersion => ({ ...summaryOf(row), source: row.source, registered_kinds: row.registered_kinds, canonical: row.canonical, ...(row.bundle === null ? {} : { bundle: row.bundle }) });
