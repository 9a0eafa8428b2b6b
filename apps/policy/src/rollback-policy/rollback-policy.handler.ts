import { CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { actorOf, IdempotentRequests, problem } from '@exequatur/service-kit';
import type { Answer } from '@exequatur/service-kit';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { PolicyPublisher, publicationLocks } from '../policy-versions/policy-publisher.js';
import { versionRow } from '../policy-versions/policy-version-rows.js';
import { faultyPolicy } from '../publish-policy/publish-policy.handler.js';
import { RollBackPolicy } from './rollback-policy.command.js';

/** Publishes an earlier source again as a new, higher version: versions only ever increase. */
@CommandHandler(RollBackPolicy)
export class RollBackPolicyHandler implements ICommandHandler<RollBackPolicy> {
  constructor(
    private readonly store: PgEventStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly publisher: PolicyPublisher,
  ) {}

  execute({ tenant, toVersion, reason, principal, request }: RollBackPolicy): Promise<Answer> {
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'roll-back-policy',
      locks: publicationLocks(tenant),
      work: async (tx) => {
        const earlier = (await versionRow(tx, tenant, toVersion)) ?? problem('NOT_FOUND', 'no such policy version');
        // Read again, not copied: kinds that were classified since stay registered.
        const file = readPolicyFile(earlier.source);
        if (!file.ok) throw faultyPolicy(file.findings);
        const { published, write } = await this.publisher.publish(tx, { tenant, source: earlier.source, policy: file.policy, reason, toVersion, actor: actorOf(principal) });
        await this.store.append(tx, [write]);
        return { status: 201, body: published };
      },
    });
  }
}
