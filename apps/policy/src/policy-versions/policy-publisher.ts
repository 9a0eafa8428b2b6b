import { Inject, Injectable } from '@nestjs/common';
import { PolicyPublished, PolicyRolledBack } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, Locks, PgTransaction, StreamWrite } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { MAX_POLICY_BYTES, policyHash, policyText, registeredKinds, withClassifiedKinds } from '@exequatur/policy-domain';
import type { Policy } from '@exequatur/policy-domain';
import { CLOCK, problem } from '@exequatur/service-kit';
import { classifiedKinds, insertVersion, latestRow } from './policy-version-rows.js';

/** All versions of a tenant's policy are on one stream, so that they cannot be published past each other. */
export const policyStream = (tenant: string): StreamId => ({ tenant, aggregate: 'policy', id: tenant });

/** The fence is exclusive: when the transaction has committed, no proposal is judged under an older version any more. */
export const publicationLocks = (tenant: string, ...further: readonly StreamId[]): Locks => ({ fences: [{ tenant, mode: 'exclusive' }], streams: [policyStream(tenant), ...further] });

export interface Publication {
  readonly tenant: string;
  readonly source: string;
  readonly policy: Policy;
  readonly reason: string;
  readonly actor: Actor;
  readonly toVersion?: number;
  readonly traceparent?: string;
}

/** The version that was published, as answers show it. */
export interface PublishedVersion {
  readonly policy_version: number;
  readonly policy_hash: string;
  readonly registered_kinds: readonly string[];
  readonly status: 'published';
  readonly published_at: string;
}

/** As many as the events carry. */
const MAX_REGISTERED_KINDS = 10_000;

@Injectable()
export class PolicyPublisher {
  constructor(
    private readonly store: PgEventStore,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * The next version: its row, and the write for its event, which the caller appends together with its own.
   * The transaction holds `publicationLocks`.
   */
  async publish(tx: PgTransaction, publication: Publication): Promise<{ readonly published: PublishedVersion; readonly write: StreamWrite }> {
    const { tenant, source, reason, toVersion, actor } = publication;
    const policy = withClassifiedKinds(publication.policy, await classifiedKinds(tx, tenant));
    const canonical = policyText(policy);
    const kinds = registeredKinds(policy);
    if (canonical.length > MAX_POLICY_BYTES) problem('TOO_LARGE', `the canonical policy has more than ${MAX_POLICY_BYTES} characters`);
    if (kinds.length > MAX_REGISTERED_KINDS) problem('TOO_LARGE', `more than ${MAX_REGISTERED_KINDS} registered kinds`);
    const version = Number((await latestRow(tx, tenant))?.version ?? 0) + 1;
    const publishedAt = this.clock.now();
    const facts = { policy_hash: policyHash(policy), policy_version: version, source, canonical, registered_kinds: kinds, reason };
    await insertVersion(tx, {
      tenant,
      version: String(version),
      policy_hash: facts.policy_hash,
      source,
      canonical: facts.canonical,
      registered_kinds: facts.registered_kinds,
      reason,
      published_by: `${actor.type}/${actor.id}`,
      published_at: new Date(publishedAt),
      rolled_back_to: toVersion === undefined ? null : String(toVersion),
    });
    const stream = policyStream(tenant);
    const origin = { actor, time: toInstant(publishedAt), ...(publication.traceparent === undefined ? {} : { traceparent: publication.traceparent }) };
    const event = toVersion === undefined ? { definition: PolicyPublished, data: facts, ...origin } : { definition: PolicyRolledBack, data: { ...facts, to_version: toVersion }, ...origin };
    const expectedVersion = (await this.store.versions(tx, [stream])).get(`${tenant}/policy/${tenant}`) ?? 0;
    return {
      published: { policy_version: version, policy_hash: facts.policy_hash, registered_kinds: facts.registered_kinds, status: 'published', published_at: toInstant(publishedAt) },
      write: { stream, expectedVersion, events: [event] },
    };
  }
}
