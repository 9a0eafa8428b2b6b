import { Controller } from '@nestjs/common';
import { Payload } from '@nestjs/microservices';
import {
  ActionReviewed, ApprovalAnswered, ApprovalCancelled, ApprovalExpired, ApprovalGranted, ApprovalRejected, ExecutionFailed, ExecutionReconciled, ExecutionSkipped, ExecutionStarted, ExecutionSucceeded, ExecutionUnknown, GrantRevoked,
  ReservationCommitted, ReservationExpired, ReservationHeld, ReservationMarkedUnknown, ReservationRefused, ReservationReleased, ReservationStarted,
} from '@exequatur/contracts';
import type { EventEnvelope } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox, OnEvents } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { actionStream } from '../propose-action/action-events.js';
import { recordOutcomes } from '../autonomy/outcome-rows.js';
import { settleAsked } from '../second-asking/asked-proposals.js';
import { ActionChanges } from './action-changes.js';
import type { ActionRef } from './action-view-rows.js';
import { actionKey, updateViews, viewsOf } from './action-view-rows.js';
import type { ActionView } from './action-view.js';
import { foldAction } from './action-view.js';

/** Keeps the action view up to what the other services decided; wakes those who wait for it. */
@Controller()
export class ProjectActionWhenOthersDecided {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly changes: ActionChanges,
  ) {}

  @OnEvents(ApprovalGranted, ApprovalRejected, ApprovalAnswered, ApprovalExpired, ApprovalCancelled, GrantRevoked, ActionReviewed)
  approvals(@Payload() deliveries: readonly Delivery[]): Promise<void> {
    return this.project(deliveries);
  }

  @OnEvents(ReservationHeld, ReservationRefused, ReservationStarted, ReservationCommitted, ReservationReleased, ReservationExpired, ReservationMarkedUnknown)
  reservations(@Payload() deliveries: readonly Delivery[]): Promise<void> {
    return this.project(deliveries);
  }

  @OnEvents(ExecutionStarted, ExecutionSucceeded, ExecutionFailed, ExecutionUnknown, ExecutionReconciled, ExecutionSkipped)
  executions(@Payload() deliveries: readonly Delivery[]): Promise<void> {
    return this.project(deliveries);
  }

  private async project(deliveries: readonly Delivery[]): Promise<void> {
    const told = deliveries.filter(({ event }) => actionIdOf(event) !== undefined);
    const refs = actionsIn(told);
    // The actions' own streams are locked, so that topics that tell of one action at the same time take turns.
    await this.inbox.onceMany(told, { streams: refs.map(({ tenant, actionId }) => actionStream(tenant, actionId)) }, async (tx, fresh) => {
      const known = await viewsOf(tx, actionsIn(fresh));
      const folded = new Map<string, ActionView>();
      for (const { event } of fresh) {
        const key = actionKey({ tenant: event.tenant, actionId: actionIdOf(event) ?? '' });
        const view = folded.get(key) ?? known.get(key);
        const next = foldAction(view, event);
        if (next !== undefined && next !== view) folded.set(key, next);
      }
      await updateViews(tx, [...folded.values()]);
      await settleAsked(tx, fresh.map(({ event }) => event));
      await recordOutcomes(tx, fresh.map(({ event }) => event), (event) => known.get(actionKey({ tenant: event.tenant, actionId: actionIdOf(event) ?? '' })));
    });
    for (const { actionId } of refs) this.changes.changed(actionId);
  }
}

/** Budget-only reservations belong to no action. */
const actionIdOf = ({ data, correlationid }: EventEnvelope): string | undefined => (data as { readonly action_id?: string }).action_id ?? correlationid;

const actionsIn = (deliveries: readonly Delivery[]): readonly ActionRef[] => {
  const refs = deliveries.flatMap(({ event }): ActionRef[] => {
    const actionId = actionIdOf(event);
    return actionId === undefined ? [] : [{ tenant: event.tenant, actionId }];
  });
  return [...new Map(refs.map((ref) => [actionKey(ref), ref])).values()];
};
