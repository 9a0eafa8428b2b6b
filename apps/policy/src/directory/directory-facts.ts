import { Injectable } from '@nestjs/common';
import { streamKey } from '@exequatur/contracts';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { actorOf, Directory, IdempotentRequests, problem, projectDirectory } from '@exequatur/service-kit';
import type { Answer, HttpRequest, IdempotentResult, Principal } from '@exequatur/service-kit';

export interface DirectoryFact<D = unknown> {
  readonly definition: EventDefinition<string, D>;
  readonly data: D;
}

export interface DirectoryChange {
  readonly request: HttpRequest;
  readonly principal: Principal;
  readonly tenant: string;
  readonly operation: string;
  /** Stream within the tenant that the fact goes on. */
  readonly aggregate: 'tenant' | 'agent' | 'person' | 'tool';
  readonly id: string;
  /** `new`: CONFLICT when the stream has events already; `known`: NOT_FOUND when it has none. */
  readonly expects: 'new' | 'known';
  /** Decides under the stream's lock; what it needs of other rows it reads from the projection. */
  readonly work: (tx: PgTransaction) => Promise<IdempotentResult & { readonly fact: DirectoryFact }>;
}

/** The one way in which the directory changes: event, own projection and idempotent answer in one transaction. */
@Injectable()
export class DirectoryFacts {
  constructor(
    private readonly store: PgEventStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly directory: Directory,
  ) {}

  async record({ request, principal, tenant, operation, aggregate, id, expects, work }: DirectoryChange): Promise<Answer> {
    const stream: StreamId = { tenant, aggregate, id };
    const answer = await this.requests.run({
      request,
      principal,
      tenant,
      operation,
      locks: { streams: [stream] },
      work: async (tx) => {
        const version = (await this.store.versions(tx, [stream])).get(streamKey(stream)) ?? 0;
        if (expects === 'new' && version > 0) problem('CONFLICT', `this ${aggregate} exists already`);
        if (expects === 'known' && version === 0) problem('NOT_FOUND', `no such ${aggregate}`);
        const { fact, ...result } = await work(tx);
        const traceparent = request.traceparent === undefined ? {} : { traceparent: request.traceparent };
        const [recorded] = await this.store.append(tx, [{ stream, expectedVersion: version, events: [{ ...fact, actor: actorOf(principal), ...traceparent }] }]);
        if (recorded !== undefined) await projectDirectory(tx, recorded.envelope);
        return result;
      },
    });
    // Roles and keys that were remembered may just have changed.
    this.directory.forget();
    return answer;
  }
}
