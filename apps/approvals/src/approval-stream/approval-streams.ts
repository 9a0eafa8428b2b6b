import { Inject, Injectable } from '@nestjs/common';
import { type ApprovalEvent, type OpenedContent } from '@exequatur/approvals-domain';
import { ApprovalOpened, ApprovalVoted, GRANT_JWS_TYPE, VoteRefused } from '@exequatur/contracts';
import type { DataOf, EventDefinition, SealedOf, StreamId } from '@exequatur/contracts';
import { assertValidSealed, PgEventStore } from '@exequatur/event-store';
import type { Actor, NewEvent, PgQueries, PgTransaction, RecordedEvent } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import { open, seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE, Signer } from '@exequatur/service-kit';
import { keepQueueRow } from '../queue-view/queue-row.js';
import { DEFINITIONS, newestSealed, recordedApproval } from './recorded-approval.js';
import type { RecordedApproval } from './recorded-approval.js';

export type OpenedSealed = SealedOf<typeof ApprovalOpened>;
export type RefusedAttempt = Omit<DataOf<typeof VoteRefused>, 'approval_id' | 'action_id'>;

/** What every event of one request needs besides its facts. */
export interface Cause {
  readonly actor: Actor;
  readonly causationId?: string;
  readonly traceparent?: string;
  /** Unix ms of the database, after the locks */
  readonly now: number;
}

export const approvalStream = (tenant: string, approvalId: string): StreamId => ({ tenant, aggregate: 'approval', id: approvalId });

/** The streams of approval requests: load, append with sealing and signing, and the queue's row in the same transaction. */
@Injectable()
export class ApprovalStreams {
  constructor(
    private readonly store: PgEventStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    private readonly signer: Signer,
  ) {}

  async load(tx: PgQueries, tenant: string, approvalId: string): Promise<RecordedApproval | undefined> {
    return recordedApproval(tenant, await this.store.load(tx, approvalStream(tenant, approvalId)));
  }

  /** Unix ms of the database's clock: the one that judges deadlines. Read it after the locks. */
  async databaseNow(tx: PgQueries): Promise<number> {
    const { rows } = await tx.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    return rows[0]?.now.getTime() ?? Number.NaN;
  }

  /**
   * What a decider decided, recorded, sealed, signed, and after it a refused attempt where there was one: one append a
   * transaction. `past` are the events before. @returns the request as it is now
   */
  async append(tx: PgTransaction, tenant: string, past: readonly RecordedEvent[], decided: readonly ApprovalEvent[], cause: Cause, refused?: { readonly attempt: RefusedAttempt; readonly cause: Cause }): Promise<RecordedApproval> {
    const ids = decided[0]?.data ?? recordedApproval(tenant, past)?.state.request;
    if (ids === undefined) throw new Error('nothing to append to');
    const { approval_id, action_id } = ids;
    const key = decided.some((event) => 'sealed' in event) ? await this.keys.actionKey(tenant, action_id, tx) : undefined;
    const events = await Promise.all(decided.map((event) => this.newEvent(event, key, cause)));
    if (refused !== undefined) events.push({ definition: VoteRefused, data: { approval_id, action_id, ...refused.attempt }, ...attributes(action_id, refused.cause) });
    const recorded = await this.store.append(tx, [{ stream: approvalStream(tenant, approval_id), expectedVersion: past.at(-1)?.version ?? 0, events }]);
    const approval = recordedApproval(tenant, [...past, ...recorded]);
    if (approval === undefined) throw new Error('a request without ApprovalOpened');
    if (decided.length > 0) await keepQueueRow(tx, approval);
    return approval;
  }

  /** Salt, card and proposal of a request; undefined when the action was erased. */
  async openedContent(approval: RecordedApproval, tx?: PgQueries): Promise<OpenedSealed | undefined> {
    return this.openNewest<OpenedSealed>(approval, ApprovalOpened, tx);
  }

  /** What the next approving vote decides about; undefined when the action was erased. */
  async contentForVote(approval: RecordedApproval, tx?: PgQueries): Promise<OpenedContent | undefined> {
    const opened = await this.openedContent(approval, tx);
    if (opened === undefined) return undefined;
    const narrowed = (await this.openNewest<SealedOf<typeof ApprovalVoted>>(approval, ApprovalVoted, tx))?.granted_arguments;
    return { salt: Buffer.from(opened.salt, 'base64url'), proposal: opened.proposal, ...(narrowed === undefined ? {} : { acceptedArguments: narrowed }) };
  }

  /** Plaintext of one sealed part of this request's events. */
  async openOne<S>(approval: RecordedApproval, { envelope }: RecordedEvent, tx?: PgQueries): Promise<S | undefined> {
    if (envelope.sealed === undefined) return undefined;
    const key = await this.keys.actionKey(approval.tenant, envelope.sealed.action_id, tx);
    return key === undefined ? undefined : (open(key, envelope.sealed, envelope.id) as S);
  }

  private async openNewest<S>(approval: RecordedApproval, definition: EventDefinition, tx?: PgQueries): Promise<S | undefined> {
    const newest = newestSealed(approval, definition);
    const key = newest === undefined ? undefined : await this.keys.actionKey(approval.tenant, newest.sealed.action_id, tx);
    return newest === undefined || key === undefined ? undefined : (open(key, newest.sealed, newest.id) as S);
  }

  private async newEvent(event: ApprovalEvent, key: Buffer | undefined, cause: Cause): Promise<NewEvent> {
    const definition = DEFINITIONS[event.type];
    const actionId = event.data.action_id;
    const id = event.type === 'ApprovalVoted' ? event.id : newId();
    const data = event.type === 'ApprovalGranted' ? { ...event.data, grant: await this.signGrant(event) } : event.data;
    const plain = 'sealed' in event ? event.sealed : undefined;
    if (plain === undefined) return { definition, data, id, ...attributes(actionId, cause) };
    if (key === undefined) {
      if (GIVES_AUTHORITY.includes(event.type)) throw new Error(`the data key of action ${actionId} is gone`);
      // Taking authority back must work for an erased action too; its words go the way of all its content.
      return { definition, data, id, ...attributes(actionId, cause) };
    }
    assertValidSealed(definition, plain);
    return { definition, data, id, sealed: seal(key, actionId, id, plain), ...attributes(actionId, cause) };
  }

  private async signGrant(event: Extract<ApprovalEvent, { type: 'ApprovalGranted' }>): Promise<string> {
    if (event.claims === undefined) throw new Error('a decided grant has claims');
    return this.signer.signJws({ ...event.claims }, GRANT_JWS_TYPE);
  }
}

/** Events that mean nothing without their sealed content. */
const GIVES_AUTHORITY: readonly ApprovalEvent['type'][] = ['ApprovalOpened', 'ApprovalVoted', 'ApprovalGranted'];

const attributes = (actionId: string, { actor, causationId, traceparent, now }: Cause): Pick<NewEvent, 'actor' | 'correlationId' | 'time'> & Partial<NewEvent> => ({
  actor,
  correlationId: actionId,
  time: toInstant(now),
  ...(causationId === undefined ? {} : { causationId }),
  ...(traceparent === undefined ? {} : { traceparent }),
});

