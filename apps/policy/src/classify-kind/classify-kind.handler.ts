import { CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import { ActionKindClassified } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction, StreamWrite } from '@exequatur/event-store';
import { actorOf, IdempotentRequests, problem } from '@exequatur/service-kit';
import type { Answer } from '@exequatur/service-kit';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { PolicyPublisher, publicationLocks } from '../policy-versions/policy-publisher.js';
import type { PublishedVersion } from '../policy-versions/policy-publisher.js';
import { latestRow } from '../policy-versions/policy-version-rows.js';
import { faultyPolicy } from '../publish-policy/publish-policy.handler.js';
import { ClassifyKind } from './classify-kind.command.js';

/**
 * Registers a kind in a class. Where a policy is published, the same source is published again with the kind in it, so that
 * from one version on policy and reservations agree on what globs may match.
 */
@CommandHandler(ClassifyKind)
export class ClassifyKindHandler implements ICommandHandler<ClassifyKind> {
  constructor(
    private readonly store: PgEventStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly publisher: PolicyPublisher,
  ) {}

  execute(command: ClassifyKind): Promise<Answer> {
    const { tenant, actionKind, actionClass, principal, request } = command;
    const stream = { tenant, aggregate: 'action-kind', id: actionKind };
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'classify-kind',
      locks: publicationLocks(tenant, stream),
      work: async (tx) => {
        await tx.query('INSERT INTO classified_kind VALUES ($1, $2, $3) ON CONFLICT (tenant, action_kind) DO UPDATE SET action_class = excluded.action_class', [tenant, actionKind, actionClass]);
        const republished = await this.republish(tx, command);
        const classified: StreamWrite = {
          stream,
          expectedVersion: (await this.store.versions(tx, [stream])).get(`${tenant}/action-kind/${actionKind}`) ?? 0,
          events: [{ definition: ActionKindClassified, data: { action_kind: actionKind, action_class: actionClass }, actor: actorOf(principal) }],
        };
        await this.store.append(tx, [classified, ...(republished === undefined ? [] : [republished.write])]);
        return { status: 201, body: { action_kind: actionKind, action_class: actionClass, ...(republished === undefined ? {} : { policy: republished.published }) } };
      },
    });
  }

  private async republish(tx: PgTransaction, { tenant, actionKind, actionClass, principal }: ClassifyKind): Promise<{ published: PublishedVersion; write: StreamWrite } | undefined> {
    const latest = await latestRow(tx, tenant);
    if (latest === undefined) return undefined;
    const file = readPolicyFile(latest.source);
    if (!file.ok) throw faultyPolicy(file.findings);
    if (!Object.hasOwn(file.policy.classes, actionClass)) problem('INVALID', 'The policy has no such class', [{ pointer: '/action_class', expected: `one of ${Object.keys(file.policy.classes).join(', ')}` }]);
    return this.publisher.publish(tx, { tenant, source: latest.source, policy: file.policy, reason: `${actionKind} registered as ${actionClass}`, actor: actorOf(principal) });
  }
}
