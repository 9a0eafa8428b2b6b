import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import { ExecutionFailed, ExecutionReconciled, ExecutionSkipped, ExecutionStarted, ExecutionSucceeded, ExecutionUnknown } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { DeterministicFailure, Inbox, OnEvent } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { Database } from '@exequatur/service-kit';
import type { SettleAsked } from '../authority/authority-command.js';
import { authorityLocks, RuntimeAuthority } from '../authority/runtime-authority.js';

type Execution = { readonly grant_id: string; readonly use_no: number; readonly reservation_id?: string };

/** The executor's outcomes are facts: they settle managed claims, however late they come. */
@Controller()
export class SettleClaimWhenExecuted {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly authority: RuntimeAuthority,
    private readonly database: Database,
  ) {}

  @OnEvent(ExecutionStarted)
  started(@Payload() delivery: Delivery<DataOf<typeof ExecutionStarted>>): Promise<void> {
    return this.settle(delivery, { type: 'StartReservation', data: { attestedBy: 'executor' } });
  }

  @OnEvent(ExecutionSucceeded)
  succeeded(@Payload() delivery: Delivery<DataOf<typeof ExecutionSucceeded>>): Promise<void> {
    const { actual, provider_request_id, executed_arguments_hash } = delivery.event.data;
    return this.settle(delivery, {
      type: 'CommitReservation',
      data: { attestedBy: 'executor', actual, executedArgumentsHash: executed_arguments_hash, ...(provider_request_id === undefined ? {} : { providerRequestId: provider_request_id }) },
    });
  }

  @OnEvent(ExecutionFailed)
  failed(@Payload() delivery: Delivery<DataOf<typeof ExecutionFailed>>): Promise<void> {
    return this.settle(delivery, { type: 'ReleaseReservation', data: { attestedBy: 'executor', outcome: 'FAILED', reason: delivery.event.data.code } });
  }

  @OnEvent(ExecutionUnknown)
  unknown(@Payload() delivery: Delivery<DataOf<typeof ExecutionUnknown>>): Promise<void> {
    return this.settle(delivery, { type: 'MarkReservationUnknown', data: { attestedBy: 'executor', reason: delivery.event.data.code } });
  }

  @OnEvent(ExecutionReconciled)
  reconciled(@Payload() delivery: Delivery<DataOf<typeof ExecutionReconciled>>): Promise<void> {
    const { result, by, provider_request_id } = delivery.event.data;
    const attestedBy = by === 'person' ? 'person' : 'executor';
    return this.settle(
      delivery,
      result === 'executed'
        ? { type: 'CommitReservation', data: { attestedBy, actual: [], ...(provider_request_id === undefined ? {} : { providerRequestId: provider_request_id }) } }
        : { type: 'ReleaseReservation', data: { attestedBy, outcome: 'FAILED', reason: 'reconciled: not executed' } },
    );
  }

  /** Usually nothing was held; a claim whose answer never reached the executor is returned. */
  @OnEvent(ExecutionSkipped)
  skipped(@Payload() delivery: Delivery<DataOf<typeof ExecutionSkipped>>): Promise<void> {
    return this.settle(delivery, { type: 'ReleaseReservation', data: { attestedBy: 'executor', outcome: 'NONE', reason: 'skipped' } });
  }

  private async settle(delivery: Delivery<Execution>, command: SettleAsked['command']): Promise<void> {
    const { id, tenant, traceparent, data } = delivery.event;
    const reservationIds = data.reservation_id === undefined ? await this.standingClaims(tenant, data) : [data.reservation_id];
    const commands = reservationIds.map(
      (reservationId): SettleAsked => ({ kind: 'settle', tenant, reservationId, actor: { type: 'service', id: 'executor' }, causationId: id, ...(traceparent === undefined ? {} : { traceparent }), command, onlyMode: 'managed' }),
    );
    await this.inbox.once(delivery, authorityLocks(commands), async (tx) => {
      for (const outcome of await this.authority.apply(tx, commands)) {
        // A claim that has already ended, by an earlier outcome of the same execution, needs nothing more.
        if (outcome.kind === 'refused' && outcome.code !== 'RESERVATION_FINALIZED') throw new DeterministicFailure(outcome.code, 'the outcome does not fit the claim it names');
      }
    });
  }

  private async standingClaims(tenant: string, { grant_id, use_no }: Execution): Promise<readonly string[]> {
    const { rows } = await this.database.query<{ reservation_id: string }>("SELECT reservation_id FROM reservation WHERE tenant = $1 AND grant_id = $2 AND use_no = $3 AND status IN ('Held', 'Started', 'Unknown')", [tenant, grant_id, use_no]);
    return rows.map(({ reservation_id }) => reservation_id);
  }
}
