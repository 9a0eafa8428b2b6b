import { Inject, Injectable } from '@nestjs/common';
import type { PgTransaction } from '@exequatur/event-store';
import { Database, Health, LOGGER, ServiceMetrics } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { Counter } from 'prom-client';
import type { Bundle, BundleFault } from './check-bundle.js';

/** A row that stands for a tenant whose newest bundle was refused; as many as one look at /readyz names. */
const SHOWN = 5;

/**
 * Bundles that did not come into force, because their hash or signature is off. The version before stays in force; grants that
 * are made under the refused one are asked to come again (POLICY_NOT_YET_KNOWN) until a good one follows.
 */
@Injectable()
export class RefusedBundles {
  private readonly refused: Counter;

  constructor(
    private readonly database: Database,
    health: Health,
    metrics: ServiceMetrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {
    // Other tenants are served as ever, so this says what is wrong without taking the service out.
    health.add({ name: 'policy-bundles', degradesOnly: true, check: () => this.complaint() });
    this.refused = new Counter({ name: 'exequatur_policy_bundles_refused_total', help: 'Published policies that did not come into force: their hash or signature is off.', labelNames: ['fault'], registers: [metrics.registry] });
  }

  /** Keeps what was refused, unless a newer version is in force already. */
  async refuse(tx: PgTransaction, tenant: string, { policy_version: version }: Bundle, fault: BundleFault): Promise<void> {
    await tx.query(
      `INSERT INTO refused_bundle AS r (tenant, policy_version, fault) SELECT $1::text, $2::bigint, $3::text
       WHERE NOT EXISTS (SELECT FROM policy_in_force p WHERE p.tenant = $1::text AND p.policy_version >= $2::bigint)
       ON CONFLICT (tenant) DO UPDATE SET policy_version = excluded.policy_version, fault = excluded.fault, refused_at = excluded.refused_at WHERE r.policy_version <= excluded.policy_version`,
      [tenant, version, fault],
    );
  }

  /** Told once it is kept. */
  tell(tenant: string, { policy_version: version, policy_hash: hash }: Bundle, fault: BundleFault): void {
    this.refused.inc({ fault });
    this.log.error({ tenant, policy_version: version, policy_hash: hash, fault }, 'a policy bundle was refused; the version before stays in force');
  }

  /** A version came into force: what was refused before it is over. */
  async forget(tx: PgTransaction, tenant: string, version: number): Promise<void> {
    await tx.query('DELETE FROM refused_bundle WHERE tenant = $1 AND policy_version <= $2', [tenant, version]);
  }

  private async complaint(): Promise<string | undefined> {
    const { rows } = await this.database.query<{ tenant: string; policy_version: string; fault: string }>('SELECT tenant, policy_version, fault FROM refused_bundle ORDER BY tenant LIMIT $1', [SHOWN]);
    if (rows.length === 0) return undefined;
    return `refused, the version before stays in force: ${rows.map((row) => `${row.tenant} version ${row.policy_version} (${row.fault})`).join(', ')}`;
  }
}
