import { Injectable } from '@nestjs/common';
import type { OnApplicationBootstrap } from '@nestjs/common';
import { Inject } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import { ownPolicy, readPolicy } from '@exequatur/policy-domain';
import { Database, LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { PolicyPublisher, publicationLocks } from '../policy-versions/policy-publisher.js';
import { latestRow } from '../policy-versions/policy-version-rows.js';
import { organisationRow } from './layer-rows.js';

const BEHIND = `
SELECT tenant FROM (SELECT DISTINCT ON (tenant) tenant, organisation_version FROM policy_version ORDER BY tenant, version DESC) AS newest
WHERE organisation_version < (SELECT coalesce(max(version), 0) FROM organisation_policy) ORDER BY tenant`;

/**
 * Every tenant that has a policy gets a new version when the organisation's layer changed. One transaction a tenant, each under
 * its own fence, and only where its newest version is composed of an older layer: whoever is interrupted, or comes second,
 * goes on where it stopped. A service that starts looks once, for what a crash left.
 */
@Injectable()
export class BringUpToDate implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly store: PgEventStore,
    private readonly publisher: PolicyPublisher,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.all().catch((error: unknown) => this.log.error({ err: error }, 'tenants are behind the policy of the organisation; publish it again, or restart'));
  }

  /** @returns how many tenants are still behind: 0, unless one failed, which throws */
  async all(): Promise<void> {
    const { rows } = await this.database.query<{ tenant: string }>(BEHIND);
    for (const { tenant } of rows) await this.one(tenant);
  }

  /** Tenants whose newest version is composed of an older layer. */
  async behind(): Promise<number> {
    return (await this.database.query(BEHIND)).rows.length;
  }

  private one(tenant: string): Promise<void> {
    return this.store.transact(publicationLocks(tenant), async (tx) => {
      const [latest, organisation] = [await latestRow(tx, tenant), await organisationRow(tx)];
      if (latest === undefined || organisation === undefined || latest.organisation_version === organisation.version) return;
      const { write } = await this.publisher.publish(tx, {
        tenant,
        source: latest.source,
        // Not read from the source again: what was accepted once stays accepted.
        policy: ownPolicy(readPolicy(latest.canonical)),
        reason: `Policy of the organisation, version ${organisation.version}: ${organisation.reason}`.slice(0, 1_000),
        actor: { type: 'system', id: 'root' },
        onlyAround: true,
      });
      await this.store.append(tx, [write]);
    });
  }
}
