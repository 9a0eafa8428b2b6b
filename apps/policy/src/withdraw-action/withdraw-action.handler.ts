import { CommandHandler } from '@nestjs/cqrs';
import type { ICommandHandler } from '@nestjs/cqrs';
import { ActionWithdrawn, definitionOf } from '@exequatur/contracts';
import { foldStream, PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { decide, evolve, initialState } from '@exequatur/policy-domain';
import type { Action, ActionEvent, ApprovalEnded } from '@exequatur/policy-domain';
import { actorOf, IdempotentRequests, orProblem, problem } from '@exequatur/service-kit';
import type { Answer } from '@exequatur/service-kit';
import { ActionChanges } from '../action-view/action-changes.js';
import { ActionDocuments } from '../action-view/action-document.js';
import { updateView, viewRow } from '../action-view/action-view-rows.js';
import { foldAction } from '../action-view/action-view.js';
import type { ActionView } from '../action-view/action-view.js';
import { isTakenUp } from '../action-view/status-order.js';
import { actionStream } from '../propose-action/action-events.js';
import { WithdrawAction } from './withdraw-action.command.js';

@CommandHandler(WithdrawAction)
export class WithdrawActionHandler implements ICommandHandler<WithdrawAction> {
  constructor(
    private readonly store: PgEventStore,
    private readonly requests: IdempotentRequests<PgTransaction>,
    private readonly documents: ActionDocuments,
    private readonly changes: ActionChanges,
  ) {}

  async execute(command: WithdrawAction): Promise<Answer> {
    const { tenant, actionId, principal, request } = command;
    const answer = await this.requests.run({
      request,
      principal,
      tenant,
      operation: 'withdraw-action',
      locks: { streams: [actionStream(tenant, actionId)] },
      work: async (tx) => {
        const view = await this.withdraw(tx, command);
        return { status: 200, body: principal.type === 'agent' ? await this.documents.whole(view) : this.documents.summary(view), actionId };
      },
    });
    this.changes.changed(actionId);
    return answer;
  }

  private async withdraw(tx: PgTransaction, { tenant, actionId, reason, principal }: WithdrawAction): Promise<ActionView> {
    const view = (await viewRow(tx, tenant, actionId)) ?? problem('NOT_FOUND');
    if (principal.type === 'agent' && view.agent !== principal.id) problem('NOT_FOUND');
    if (isTakenUp(view.status)) problem('CONFLICT', `The action is ${view.status} already`);
    const stream = actionStream(tenant, actionId);
    const own = foldStream<Action>(await this.store.load(tx, stream), (state, { type, data }) => evolve(state, { type: definitionOf(type)?.name, data } as ActionEvent), initialState());
    // What people decided is not on this stream; the view knows it.
    const ended = ENDED_AS[view.status];
    const state = ended === undefined ? own.state : evolve(own.state, { type: ended, data: { action_id: actionId } });
    const events = orProblem(decide({ type: 'WithdrawAction', data: { actionId, reason } }, state));
    if (events.length === 0) return view;
    const recorded = await this.store.append(tx, [
      { stream, expectedVersion: own.version, events: events.map(({ data }) => ({ definition: ActionWithdrawn, data: data as { action_id: string; reason: string }, actor: actorOf(principal), correlationId: actionId })) },
    ]);
    const withdrawn = recorded.reduce<ActionView>((before, { envelope }) => foldAction(before, envelope) ?? before, view);
    await updateView(tx, withdrawn);
    return withdrawn;
  }
}

const ENDED_AS: Readonly<Partial<Record<ActionView['status'], ApprovalEnded['type']>>> = {
  granted: 'ApprovalGranted',
  rejected: 'ApprovalRejected',
  answered: 'ApprovalAnswered',
  expired: 'ApprovalExpired',
  cancelled: 'ApprovalCancelled',
};
