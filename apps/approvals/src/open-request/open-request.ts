import { Inject, Injectable } from '@nestjs/common';
import { cardBytes, contextText, decide, openedData, RENDERER, renderCard, viewHash, initialState, type OpenedData, type RequestFacts } from '@exequatur/approvals-domain';
import { ApprovalRequired } from '@exequatur/contracts';
import type { SealedProposal } from '@exequatur/contracts';
import { assertValidSealed } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { DeterministicFailure, type Delivery } from '@exequatur/messaging';
import { isRefusal, saltedHash } from '@exequatur/kernel';
import { open } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE } from '@exequatur/service-kit';
import { ApprovalStreams, type Cause } from '../approval-stream/approval-streams.js';
import { CardContexts } from './card-context.js';

/** Puts a request into the queue: the card is rendered once, from the very bytes that will be hashed and executed. */
@Injectable()
export class OpenRequest {
  constructor(
    private readonly streams: ApprovalStreams,
    private readonly contexts: CardContexts,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
  ) {}

  /** Nothing happens when the request is there already, or when the action was erased before it could be shown. */
  async open(tx: PgTransaction, { event }: Delivery<RequestFacts>): Promise<void> {
    const request = event.data;
    const past = await this.streams.load(tx, event.tenant, request.approval_id);
    if (past !== undefined) return;
    const proposal = await this.proposalIn(tx, event);
    if (proposal === undefined) return;
    await this.place(tx, request, proposal, {
      actor: { type: 'service', id: 'approvals' },
      causationId: event.id,
      now: await this.streams.databaseNow(tx),
      ...(event.traceparent === undefined ? {} : { traceparent: event.traceparent }),
    });
  }

  /** The caller holds the lock of the new stream. */
  async place(tx: PgTransaction, request: RequestFacts, proposal: SealedProposal, cause: Cause, canary?: OpenedData['canary']): Promise<void> {
    const context = await this.contexts.forRequest(tx, request, proposal);
    const card = renderCard(request, proposal, context);
    const view_hash = viewHash(Buffer.from(proposal.salt, 'base64url'), card);
    const opened = { ...openedData(request, { view_hash, renderer: RENDERER }), ...(canary === undefined ? {} : { canary }) };
    const decision = decide(
      { type: 'Open', metadata: { now: cause.now }, data: { opened, sealed: { salt: proposal.salt, card: Buffer.from(cardBytes(card)).toString('utf8'), proposal, context: contextText(context) } } },
      initialState(),
    );
    if (isRefusal(decision)) throw new DeterministicFailure(decision.code, 'the request cannot be opened');
    await this.streams.append(tx, request.facts.tenant, [], decision, cause);
  }

  /** Opens and checks what policy sealed. @throws DeterministicFailure when it is not what its hash says */
  private async proposalIn(tx: PgTransaction, event: Delivery<RequestFacts>['event']): Promise<SealedProposal | undefined> {
    if (event.sealed === undefined) throw new DeterministicFailure('SEALED_MISSING', 'ApprovalRequired without its proposal');
    const key = await this.keys.actionKey(event.tenant, event.data.action_id, tx);
    if (key === undefined) return undefined;
    const proposal = open(key, event.sealed, event.id);
    assertValidSealed(ApprovalRequired, proposal);
    const checked = proposal as SealedProposal;
    const hash = saltedHash(Buffer.from(checked.salt, 'base64url'), Buffer.from(checked.arguments, 'utf8'));
    if (hash !== event.data.arguments_hash) throw new DeterministicFailure('ARGUMENTS_MISMATCH', 'the sealed arguments do not have the hash of the event');
    return checked;
  }
}
