import { CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { actorOf, Directory, IdempotentRequests, Problem, problem } from '@exequatur/service-kit';
import type { Answer } from '@exequatur/service-kit';
import type { LocatedFinding } from '@exequatur/policy-domain';
import { readPolicyFile } from '../policy-file/read-policy-file.js';
import { PolicyPublisher, publicationLocks } from '../policy-versions/policy-publisher.js';
import { PublishPolicy } from './publish-policy.command.js';

@CommandHandler(PublishPolicy)
export class PublishPolicyHandler implements ICommandHandler<PublishPolicy> {
  constructor(
    private readonly store: PgEventStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly publisher: PolicyPublisher,
    private readonly directory: Directory,
  ) {}

  async execute({ tenant, source, reason, principal, request }: PublishPolicy): Promise<Answer> {
    const file = readPolicyFile(source);
    if (!file.ok) throw faultyPolicy(file.findings);
    if (!(await this.directory.tenantExists(tenant))) problem('NOT_FOUND', 'no such tenant');
    return this.requests.run({
      request,
      principal,
      tenant,
      operation: 'publish-policy',
      locks: publicationLocks(tenant),
      work: async (tx) => {
        const { published, write } = await this.publisher.publish(tx, { tenant, source, policy: file.policy, reason, actor: actorOf(principal), ...traceOf(request) });
        await this.store.append(tx, [write]);
        return { status: 201, body: published };
      },
    });
  }
}

const traceOf = ({ traceparent }: { traceparent?: string }): { traceparent?: string } => (traceparent === undefined ? {} : { traceparent });

/** Every fault of the file, each with its line and column. */
export const faultyPolicy = (findings: readonly LocatedFinding[]): Problem =>
  new Problem(
    'INVALID',
    'The policy file has faults',
    findings.map(({ path, message, line, column }) => ({ pointer: '/source', expected: `line ${line}, column ${column}${path === '' ? '' : ` (${path})`}: ${message}` })),
  );
