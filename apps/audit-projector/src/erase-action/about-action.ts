import { Injectable } from '@nestjs/common';
import { PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { EventDefinition, StreamId } from '@exequatur/contracts';
import { Answer, IdempotentRequests, problem, requireIdempotencyKey } from '@exequatur/service-kit';
import type { HttpRequest, Principal } from '@exequatur/service-kit';
import { whoseLog } from '../whose-log.js';
import { actorOf, appendFact, assertKnownAction, streamsOf } from './keeping.js';

export interface ActionOrder {
  readonly request: HttpRequest;
  readonly principal: Principal;
  readonly named: string | undefined;
  readonly actionId: string;
  readonly reason: string;
  readonly operation: string;
}

/** What an order is carried out with: both streams of the action are locked. */
export interface ActionWork {
  readonly tx: PgTransaction;
  readonly tenant: string;
  /** Records the fact by whoever ordered it. */
  append<D>(stream: StreamId, definition: EventDefinition<string, D>, data: D): Promise<void>;
}

/** What people order about an action's keeping (erase, hold, lift) begins alike: whose log, a key, a reason, both locks, a known action. */
@Injectable()
export class AboutAction {
  constructor(
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly store: PgEventStore,
  ) {}

  /** @throws Problem NOT_FOUND, REASON_REQUIRED, and what the work says */
  carryOut({ request, principal, named, actionId, reason, operation }: ActionOrder, status: number, work: (about: ActionWork) => Promise<object>): Promise<Answer> {
    const tenant = whoseLog(principal, named);
    requireIdempotencyKey(request);
    if (reason.trim() === '') return problem('REASON_REQUIRED');
    return this.requests.run({
      request,
      principal,
      tenant,
      operation,
      locks: { streams: streamsOf(tenant, actionId) },
      work: async (tx) => {
        await assertKnownAction(tx, tenant, actionId);
        const body = await work({ tx, tenant, append: (stream, definition, data) => appendFact(this.store, tx, stream, actionId, definition, data, actorOf(principal)) });
        return { status, body };
      },
    });
  }
}
