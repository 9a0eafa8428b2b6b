import { Inject, Injectable } from '@nestjs/common';
import { PolicyDrafted } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { newId } from '@exequatur/kernel';
import type { Clock } from '@exequatur/kernel';
import { composePolicy, ownPolicy, policyHash, readPolicy } from '@exequatur/policy-domain';
import type { Policy } from '@exequatur/policy-domain';
import { actorOf, CLOCK, Directory, IdempotentRequests, problem } from '@exequatur/service-kit';
import type { Answer, HttpRequest, Principal, Queryable } from '@exequatur/service-kit';
import { changeOverlay, checkedOverlay } from '../layer-policies/overlays.js';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { authorOf, nextPolicy, PolicyPublisher, publicationLocks } from '../policy-versions/policy-publisher.js';
import { latestRow } from '../policy-versions/policy-version-rows.js';
import { faultyPolicy } from '../publish-policy/publish-policy.handler.js';
import { draftRow, insertDraft, markPublished } from './draft-rows.js';
import type { DraftRow } from './draft-rows.js';

/** Who asks, and with which request. */
export interface Asking {
  readonly tenant: string;
  readonly principal: Principal;
  readonly request: HttpRequest;
}

export interface DraftedPolicy {
  readonly source: string;
  readonly reason: string;
  readonly overlay?: { readonly name: string; readonly scope: string };
}

/** Policies, and overlays, that are stored and judge nothing until somebody publishes them. */
@Injectable()
export class PolicyDrafts {
  constructor(
    private readonly store: PgEventStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly publisher: PolicyPublisher,
    private readonly directory: Directory,
    @Inject(CLOCK) private readonly clock: Clock,
  ) {}

  /** @throws Problem INVALID with every fault, NOT_FOUND */
  async keep({ tenant, principal, request }: Asking, draft: DraftedPolicy): Promise<Answer> {
    if (!(await this.directory.tenantExists(tenant))) problem('NOT_FOUND', 'no such tenant');
    const { source, reason, overlay } = draft;
    const at = this.clock.now();
    const draftId = newId(at);
    const stream = { tenant, aggregate: 'policy-draft', id: draftId };
    return this.requests.run({
      request, principal, tenant, operation: 'draft-policy', locks: { streams: [stream] },
      work: async (tx) => {
        const base = Number((await latestRow(tx, tenant))?.version ?? 0);
        const hash = policyHash(await policyOf(tx, tenant, draft));
        const actor = actorOf(principal);
        await insertDraft(tx, { tenant, draft_id: draftId, source, overlay_name: overlay?.name ?? null, overlay_scope: overlay?.scope ?? null, reason, drafted_by: authorOf(actor), drafted_at: new Date(at), policy_hash: hash, base_version: String(base) });
        await this.store.append(tx, [{ stream, expectedVersion: 0, events: [{ definition: PolicyDrafted, data: { draft_id: draftId, source, policy_hash: hash, base_version: base, reason }, actor }] }]);
        return { status: 201, body: { draft_id: draftId, policy_hash: hash, base_version: base } };
      },
    });
  }

  /** @throws Problem NOT_FOUND, CONFLICT once published, STALE when another version was published since, SELF_APPROVAL */
  publish({ tenant, principal, request }: Asking, draftId: string, reason: string | undefined): Promise<Answer> {
    return this.requests.run({
      request, principal, tenant, operation: 'publish-draft', locks: publicationLocks(tenant),
      work: async (tx) => {
        const draft = (await draftRow(tx, tenant, draftId)) ?? problem('NOT_FOUND', 'no such draft');
        const latest = await latestRow(tx, tenant);
        if (draft.published_version !== null) problem('CONFLICT', `it is published already, as version ${draft.published_version}`);
        if (draft.base_version !== (latest?.version ?? '0')) problem('STALE', `it was written against version ${draft.base_version}, and version ${latest?.version ?? 0} is the newest`);
        const { source, policy } = await this.prepared(tx, draft, latest);
        const { published, write } = await this.publisher.publish(tx, { tenant, source, policy, reason: reason ?? draft.reason, actor: actorOf(principal), draft: { draftId, draftedBy: draft.drafted_by } });
        await markPublished(tx, tenant, draftId, published.policy_version);
        await this.store.append(tx, [write]);
        return { status: 201, body: published };
      },
    });
  }

  /** The tenant's own policy of the next version, with the overlay of the draft put down first. */
  private async prepared(tx: Queryable, draft: DraftRow, latest: { readonly source: string; readonly canonical: string } | undefined): Promise<{ readonly source: string; readonly policy: Policy }> {
    const { tenant, source, overlay_name: name, overlay_scope: scope } = draft;
    if (name === null || scope === null) return { source, policy: ownFrom(source) };
    if (latest === undefined) return problem('CONFLICT', 'the tenant has published no policy that an overlay could stand beside');
    await changeOverlay(tx, { tenant, name, scope, source });
    return { source: latest.source, policy: ownPolicy(readPolicy(latest.canonical)) };
  }
}

const ownFrom = (source: string): Policy => {
  const file = readPolicyFile(source);
  if (!file.ok) throw faultyPolicy(file.findings);
  return file.policy;
};

/** What would be published now. @throws Problem INVALID with every fault, CONFLICT */
export const policyOf = async (db: Queryable, tenant: string, { source, overlay }: Pick<DraftedPolicy, 'source' | 'overlay'>): Promise<Policy> => {
  if (overlay === undefined) return (await nextPolicy(db, tenant, ownFrom(source))).policy;
  const changed = checkedOverlay({ tenant, source, ...overlay });
  const latest = (await latestRow(db, tenant)) ?? problem('CONFLICT', 'the tenant has published no policy that an overlay could stand beside');
  const { policy } = await nextPolicy(db, tenant, ownPolicy(readPolicy(latest.canonical)));
  const name = `overlay:${overlay.name}`;
  const others = (policy.layers ?? []).filter((layer) => layer.name !== name);
  return composePolicy({ own: policy, layers: changed === undefined ? others : [...others, { name, scope: overlay.scope, policy: changed }], levels: policy.levels ?? {} });
};

