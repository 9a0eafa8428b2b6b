import { Injectable } from '@nestjs/common';
import { policyHash, readPolicy, registeredKinds } from '@exequatur/policy-domain';
import type { Policy } from '@exequatur/policy-domain';
import { Database, problem } from '@exequatur/service-kit';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { nextPolicy } from '../policy-versions/policy-publisher.js';
import { latestRow, versionRow } from '../policy-versions/policy-version-rows.js';
import { faultyPolicy } from '../publish-policy/publish-policy.handler.js';

/** A policy that is asked and has no effect. */
export interface TriedPolicy {
  readonly policy: Policy;
  readonly registered: ReadonlySet<string>;
  readonly hash: string;
  /** of a published one */
  readonly version?: number;
}

export interface WhichPolicy {
  /** YAML of a candidate */
  readonly source?: string;
  readonly policy_version?: number;
}

@Injectable()
export class TriedPolicies {
  constructor(private readonly database: Database) {}

  /** The candidate, or the version that is named, or the newest. @throws Problem INVALID with the candidate's faults, NOT_FOUND */
  async of(tenant: string, { source, policy_version: version }: WhichPolicy): Promise<TriedPolicy> {
    if (source !== undefined && version !== undefined) return problem('INVALID', 'Say either source or policy_version', [{ pointer: '/source', expected: 'to stand alone' }]);
    if (source !== undefined) return this.candidate(tenant, source);
    const row = version === undefined ? await latestRow(this.database, tenant) : await versionRow(this.database, tenant, version);
    if (row === undefined) return problem('NOT_FOUND', 'no such policy version');
    return { policy: readPolicy(row.canonical), registered: new Set(row.registered_kinds), hash: row.policy_hash, version: Number(row.version) };
  }

  /** @throws Problem NOT_FOUND where none was published */
  async newestSource(tenant: string): Promise<string> {
    return ((await latestRow(this.database, tenant)) ?? problem('NOT_FOUND', 'the tenant has published no policy')).source;
  }

  /** As it would be published: with the kinds that people classified, and the layers around it. */
  private async candidate(tenant: string, source: string): Promise<TriedPolicy> {
    const file = readPolicyFile(source);
    if (!file.ok) throw faultyPolicy(file.findings);
    const { policy } = await nextPolicy(this.database, tenant, file.policy);
    return { policy, registered: new Set(registeredKinds(policy)), hash: policyHash(policy) };
  }
}
