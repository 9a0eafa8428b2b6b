import { Controller } from '@nestjs/common';
import { EventPattern, Payload } from '@nestjs/microservices';
import {
  ApprovalAnswered, ApprovalCancelled, ApprovalExpired, ApprovalGranted, ApprovalRejected, ExecutionFailed, ExecutionReconciled, ExecutionSkipped, ExecutionStarted, ExecutionSucceeded, ExecutionUnknown, GrantRevoked,
  ReservationCommitted, ReservationExpired, ReservationHeld, ReservationMarkedUnknown, ReservationRefused, ReservationReleased, ReservationStarted,
} from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { Inbox } from '@exequatur/messaging';
import type { Delivery } from '@exequatur/messaging';
import { actionStream } from '../propose-action/action-events.js';
import { ActionChanges } from './action-changes.js';
import { updateView, viewRow } from './action-view-rows.js';
import { foldAction } from './action-view.js';

/** Keeps the action view up to what the other services decided; wakes those who wait for it. */
@Controller()
export class ProjectActionWhenOthersDecided {
  constructor(
    private readonly inbox: Inbox<PgTransaction>,
    private readonly changes: ActionChanges,
  ) {}

  @EventPattern([ApprovalGranted.type, ApprovalRejected.type, ApprovalAnswered.type, ApprovalExpired.type, ApprovalCancelled.type, GrantRevoked.type])
  approval(@Payload() delivery: Delivery): Promise<void> {
    return this.project(delivery);
  }

  @EventPattern([ReservationHeld.type, ReservationRefused.type, ReservationStarted.type, ReservationCommitted.type, ReservationReleased.type, ReservationExpired.type, ReservationMarkedUnknown.type])
  reservation(@Payload() delivery: Delivery): Promise<void> {
    return this.project(delivery);
  }

  @EventPattern([ExecutionStarted.type, ExecutionSucceeded.type, ExecutionFailed.type, ExecutionUnknown.type, ExecutionReconciled.type, ExecutionSkipped.type])
  execution(@Payload() delivery: Delivery): Promise<void> {
    return this.project(delivery);
  }

  private async project(delivery: Delivery): Promise<void> {
    const { event } = delivery;
    const actionId = (event.data as { readonly action_id?: string }).action_id ?? event.correlationid;
    // Budget-only reservations belong to no action.
    if (actionId === undefined) return;
    // The action's own stream is locked, so that topics that tell of one action at the same time take turns.
    await this.inbox.once(delivery, { streams: [actionStream(event.tenant, actionId)] }, async (tx) => {
      const view = await viewRow(tx, event.tenant, actionId);
      const folded = foldAction(view, event);
      if (folded !== undefined && folded !== view) await updateView(tx, folded);
    });
    this.changes.changed(actionId);
  }
}
