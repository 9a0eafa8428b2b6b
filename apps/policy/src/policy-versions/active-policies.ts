import { Injectable } from '@nestjs/common';
import { sha256Text } from '@exequatur/kernel';
import { EMPTY_POLICY, policyHash, readPolicy, registeredKinds } from '@exequatur/policy-domain';
import type { Policy } from '@exequatur/policy-domain';
import type { Queryable } from '@exequatur/service-kit';

/** The policy a tenant's proposals are judged under. Version 0: the tenant has published none, and everything is set aside. */
export interface ActivePolicy extends ParsedPolicy {
  readonly version: number;
  readonly hash: string;
}

interface ParsedPolicy {
  readonly policy: Policy;
  readonly registered: ReadonlySet<string>;
}

const NO_POLICY: ActivePolicy = { version: 0, hash: policyHash(EMPTY_POLICY), policy: EMPTY_POLICY, registered: new Set() };

/** Parsed policies kept by hash; which one is active is always read from the database, under the tenant's fence. */
const MAX_PARSED = 200;

@Injectable()
export class ActivePolicies {
  private readonly parsed = new Map<string, ParsedPolicy>();

  /** By tenant, for a transaction that holds the tenants' fences: what it reads stays active until it ends. */
  async of(tx: Queryable, tenants: readonly string[]): Promise<ReadonlyMap<string, ActivePolicy>> {
    const { rows } = await tx.query<{ tenant: string; version: string; policy_hash: string }>(
      'SELECT DISTINCT ON (tenant) tenant, version, policy_hash FROM policy_version WHERE tenant = ANY($1::text[]) ORDER BY tenant, version DESC',
      [tenants],
    );
    const active = new Map<string, ActivePolicy>(tenants.map((tenant) => [tenant, NO_POLICY]));
    for (const row of rows) {
      const parsed = this.parsed.get(row.policy_hash) ?? (await this.load(tx, row.tenant, row.version, row.policy_hash));
      active.set(row.tenant, { version: Number(row.version), hash: row.policy_hash, ...parsed });
    }
    return active;
  }

  private async load(tx: Queryable, tenant: string, version: string, hash: string): Promise<ParsedPolicy> {
    const { rows } = await tx.query<{ canonical: string }>('SELECT canonical FROM policy_version WHERE tenant = $1 AND version = $2', [tenant, version]);
    const canonical = rows[0]?.canonical ?? '';
    if (sha256Text(Buffer.from(canonical, 'utf8')) !== hash) throw new Error(`policy version ${version} does not have the hash it is stored under`);
    const policy = readPolicy(canonical);
    const parsed = { policy, registered: new Set(registeredKinds(policy)) };
    if (this.parsed.size >= MAX_PARSED) this.parsed.clear();
    this.parsed.set(hash, parsed);
    return parsed;
  }
}
