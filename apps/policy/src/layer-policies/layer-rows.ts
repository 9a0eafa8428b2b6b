import { policyHash, policyText, readPolicy } from '@exequatur/policy-domain';
import type { Policy, PolicyLayer } from '@exequatur/policy-domain';
import type { Queryable } from '@exequatur/service-kit';

/** One layer as events name it. */
export interface NamedLayer {
  readonly layer: string;
  readonly layer_version: number;
  readonly layer_hash: string;
  readonly scope?: string;
}

/** The layers of a tenant's next version. */
export interface LayersNow {
  readonly layers: readonly PolicyLayer[];
  readonly named: readonly NamedLayer[];
  /** 0: there is none */
  readonly organisationVersion: number;
}

export interface OrganisationRow {
  readonly version: string;
  readonly policy_hash: string;
  readonly source: string;
  readonly canonical: string;
  readonly reason: string;
  readonly published_by: string;
  readonly published_at: Date;
}

export interface OverlayRow {
  readonly name: string;
  readonly version: string;
  readonly scope: string;
  readonly policy_hash: string;
  readonly source: string;
  readonly canonical: string;
}

export const organisationRow = async (db: Queryable): Promise<OrganisationRow | undefined> => (await db.query<OrganisationRow>('SELECT * FROM organisation_policy ORDER BY version DESC LIMIT 1')).rows[0];

/** Those that hold, by name. */
export const overlayRows = async (db: Queryable, tenant: string): Promise<readonly OverlayRow[]> =>
  (await db.query<OverlayRow>(`SELECT * FROM policy_overlay WHERE tenant = $1 AND source <> '' ORDER BY name`, [tenant])).rows;

export const layersNow = async (db: Queryable, tenant: string): Promise<LayersNow> => {
  const organisation = await organisationRow(db);
  const overlays = await overlayRows(db, tenant);
  const above = organisation === undefined ? [] : [{ ...organisation, layer: 'organisation', scope: undefined }];
  const rows = [...above, ...overlays.map((row) => ({ ...row, layer: `overlay:${row.name}` }))];
  return {
    layers: rows.map(({ layer, scope, canonical }) => ({ name: layer, ...(scope === undefined ? {} : { scope }), policy: readPolicy(canonical) })),
    named: rows.map(({ layer, version, policy_hash: hash, scope }) => ({ layer, layer_version: Number(version), layer_hash: hash, ...(scope === undefined ? {} : { scope }) })),
    organisationVersion: Number(organisation?.version ?? 0),
  };
};

export const insertOrganisation = async (db: Queryable, { version, source, policy, reason, by, at }: { readonly version: number; readonly source: string; readonly policy: Policy; readonly reason: string; readonly by: string; readonly at: Date }): Promise<void> => {
  await db.query('INSERT INTO organisation_policy (version, policy_hash, source, canonical, reason, published_by, published_at) VALUES ($1, $2, $3, $4, $5, $6, $7)', [version, policyHash(policy), source, policyText(policy), reason, by, at]);
};

/** `policy` absent: the overlay is taken away; its row stays, so that its versions rise. */
export const putOverlay = async (db: Queryable, { tenant, name, scope, source, policy }: { readonly tenant: string; readonly name: string; readonly scope: string; readonly source: string; readonly policy: Policy | undefined }): Promise<void> => {
  await db.query(
    `INSERT INTO policy_overlay AS o (tenant, name, version, scope, policy_hash, source, canonical) VALUES ($1, $2, 1, $3, $4, $5, $6)
     ON CONFLICT (tenant, name) DO UPDATE SET version = o.version + 1, scope = excluded.scope, policy_hash = excluded.policy_hash, source = excluded.source, canonical = excluded.canonical`,
    [tenant, name, scope, policy === undefined ? '' : policyHash(policy), source, policy === undefined ? '' : policyText(policy)],
  );
};
