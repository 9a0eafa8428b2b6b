import { Inject, Injectable } from '@nestjs/common';
import { POLICY_BUNDLE_TYPE, PolicyPublished, PolicyRolledBack } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, Locks, PgTransaction, StreamWrite } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { composePolicy, EMPTY_POLICY, MAX_POLICY_BYTES, needsSecondPerson, ownPolicy, policyHash, policyText, readPolicy, registeredKinds, withClassifiedKinds } from '@exequatur/policy-domain';
import type { Policy } from '@exequatur/policy-domain';
import { CLOCK, problem, Signer } from '@exequatur/service-kit';
import type { Queryable } from '@exequatur/service-kit';
import { levelsNow } from '../autonomy/level-rows.js';
import { layersNow } from '../layer-policies/layer-rows.js';
import type { LayersNow } from '../layer-policies/layer-rows.js';
import { classifiedKinds, insertVersion, latestRow } from './policy-version-rows.js';
import type { PolicyVersionRow } from './policy-version-rows.js';

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
  /** the draft it is published from, and who wrote that */
  readonly draft?: { readonly draftId: string; readonly draftedBy: string };
  /** what the tenant itself says stays as it is: a layer or a level changed, which can only add restrictions to it */
  readonly onlyAround?: boolean;
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

/** A tenant's own policy with everything that is composed into its next version. */
export interface NextPolicy {
  readonly policy: Policy;
  readonly layers: LayersNow;
}

/** As it would be published now: with the kinds that people classified, the layers around it and the levels of agents. */
export const nextPolicy = async (db: Queryable, tenant: string, own: Policy): Promise<NextPolicy> => {
  const layers = await layersNow(db, tenant);
  return { policy: composePolicy({ own: withClassifiedKinds(own, await classifiedKinds(db, tenant)), layers: layers.layers, levels: await levelsNow(db, tenant) }), layers };
};

@Injectable()
export class PolicyPublisher {
  constructor(
    private readonly store: PgEventStore,
    private readonly signer: Signer,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /**
   * The next version: its row, and the write for its event, which the caller appends together with its own.
   * The transaction holds `publicationLocks`. @throws Problem APPROVAL_REQUIRED, SELF_APPROVAL, TOO_LARGE
   */
  async publish(tx: PgTransaction, publication: Publication): Promise<{ readonly published: PublishedVersion; readonly write: StreamWrite }> {
    const { tenant, source, reason, toVersion, actor } = publication;
    const latest = await latestRow(tx, tenant);
    const { policy, layers } = await nextPolicy(tx, tenant, publication.policy);
    assertSeparated(publication, latest, layers);
    const kinds = registeredKinds(policy);
    if (policyText(ownPolicy(policy)).length > MAX_POLICY_BYTES) problem('TOO_LARGE', `the canonical policy has more than ${MAX_POLICY_BYTES} characters`);
    if (kinds.length > MAX_REGISTERED_KINDS) problem('TOO_LARGE', `more than ${MAX_REGISTERED_KINDS} registered kinds`);
    const version = Number(latest?.version ?? 0) + 1;
    const publishedAt = this.clock.now();
    const facts = { policy_hash: policyHash(policy), policy_version: version, source, canonical: policyText(policy), registered_kinds: kinds, reason };
    const bundle = this.signer.signJws({ tenant, policy_version: version, policy_hash: facts.policy_hash }, POLICY_BUNDLE_TYPE);
    await insertVersion(tx, {
      tenant,
      version: String(version),
      policy_hash: facts.policy_hash,
      source,
      canonical: facts.canonical,
      registered_kinds: facts.registered_kinds,
      reason,
      published_by: authorOf(actor),
      published_at: new Date(publishedAt),
      rolled_back_to: toVersion === undefined ? null : String(toVersion),
      organisation_version: String(layers.organisationVersion),
      bundle,
    });
    const stream = policyStream(tenant);
    const origin = { actor, time: toInstant(publishedAt), ...(publication.traceparent === undefined ? {} : { traceparent: publication.traceparent }) };
    const data = { ...facts, bundle, ...(layers.named.length === 0 ? {} : { layers: layers.named }), ...(publication.draft === undefined ? {} : { draft_id: publication.draft.draftId, drafted_by: publication.draft.draftedBy }) };
    const event = toVersion === undefined ? { definition: PolicyPublished, data, ...origin } : { definition: PolicyRolledBack, data: { ...data, to_version: toVersion }, ...origin };
    const expectedVersion = (await this.store.versions(tx, [stream])).get(`${tenant}/policy/${tenant}`) ?? 0;
    return {
      published: { policy_version: version, policy_hash: facts.policy_hash, registered_kinds: facts.registered_kinds, status: 'published', published_at: toInstant(publishedAt) },
      write: { stream, expectedVersion, events: [event] },
    };
  }
}

/** `person/petra`: who wrote or published something, as rows and events name them. */
export const authorOf = ({ type, id }: Actor): string => `${type}/${id}`;

/** Separation of duties: where the policy of today asks for a second person, only a draft is published, and not by its author. */
const assertSeparated = ({ draft, actor, onlyAround }: Publication, latest: PolicyVersionRow | undefined, { layers }: LayersNow): void => {
  if (onlyAround === true || !needsSecondPerson(composePolicy({ own: latest === undefined ? EMPTY_POLICY : ownPolicy(readPolicy(latest.canonical)), layers, levels: {} }))) return;
  if (draft === undefined) problem('APPROVAL_REQUIRED', 'the policy of today asks for two people: store a draft, which somebody else publishes');
  else if (draft.draftedBy === authorOf(actor)) problem('SELF_APPROVAL', 'who wrote a draft does not publish it');
};
