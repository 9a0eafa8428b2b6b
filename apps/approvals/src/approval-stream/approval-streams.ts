import { Inject, Injectable } from '@nestjs/common';
import { type ApprovalEvent } from '@exequatur/approvals-domain';
import { GRANT_JWS_TYPE, VoteRefused } from '@exequatur/contracts';
import type { DataOf, StreamId } from '@exequatur/contracts';
import { assertValidSealed, PgEventStore } from '@exequatur/event-store';
import type { Actor, NewEvent, PgQueries, PgTransaction, RecordedEvent } from '@exequatur/event-store';
import { newId, toInstant } from '@exequatur/kernel';
import { open, seal } from '@exequatur/sealing';
import type { KeyStore } from '@exequatur/sealing';
import { KEY_STORE, Signer } from '@exequatur/service-kit';
import { keepQueueRow } from '../queue-view/queue-row.js';
import { KeepNotices } from '../tell-channels/keep-notices.js';
import { contentOf } from './approval-content.js';
import type { ApprovalContent } from './approval-content.js';
import { DEFINITIONS, recordedApproval } from './recorded-approval.js';
import type { RecordedApproval } from './recorded-approval.js';

export type RefusedAttempt = Omit<DataOf<typeof VoteRefused>, 'approval_id' | 'action_id'>;

/** What every event of one request needs besides its facts. */
export interface Cause {
  readonly actor: Actor;
  readonly causationId?: string;
  readonly traceparent?: string;
  /** Unix ms of the database, after the locks */
  readonly now: number;
}

/** What happens to one request in a transaction: decided facts in order, each with its cause, and a refused attempt after them. */
export interface Change {
  readonly tenant: string;
  /** the events before */
  readonly past: readonly RecordedEvent[];
  readonly steps: readonly { readonly decided: readonly ApprovalEvent[]; readonly cause: Cause }[];
  readonly refused?: { readonly attempt: RefusedAttempt; readonly cause: Cause };
}

export const approvalStream = (tenant: string, approvalId: string): StreamId => ({ tenant, aggregate: 'approval', id: approvalId });

/** The streams of approval requests: load, append with sealing and signing, and the queue's row in the same transaction. */
@Injectable()
export class ApprovalStreams {
  constructor(
    private readonly store: PgEventStore,
    @Inject(KEY_STORE) private readonly keys: KeyStore,
    private readonly signer: Signer,
    private readonly notices: KeepNotices,
  ) {}

  async load(tx: PgQueries, tenant: string, approvalId: string): Promise<RecordedApproval | undefined> {
    return recordedApproval(tenant, await this.store.load(tx, approvalStream(tenant, approvalId)));
  }

  /** Unix ms of the database's clock: the one that judges deadlines. Read it after the locks. */
  async databaseNow(tx: PgQueries): Promise<number> {
    const { rows } = await tx.query<{ now: Date }>('SELECT clock_timestamp() AS now');
    return rows[0]?.now.getTime() ?? Number.NaN;
  }

  /** What a decider decided, recorded, sealed, signed. One append a transaction. @returns the request as it is now */
  async append(tx: PgTransaction, tenant: string, past: readonly RecordedEvent[], decided: readonly ApprovalEvent[], cause: Cause): Promise<RecordedApproval> {
    const [approval] = await this.appendAll(tx, [{ tenant, past, steps: [{ decided, cause }] }]);
    if (approval === undefined) throw new Error('one change, one request');
    return approval;
  }

  /** Changes of several requests, each locked by the transaction, in one append. @returns the requests as they are now, in the same order */
  async appendAll(tx: PgTransaction, changes: readonly Change[]): Promise<readonly RecordedApproval[]> {
    const writes: { readonly stream: StreamId; readonly expectedVersion: number; readonly events: readonly NewEvent[] }[] = [];
    for (const change of changes) writes.push(await this.writeOf(tx, change));
    const recorded = await this.store.append(tx, writes);
    const approvals: RecordedApproval[] = [];
    let taken = 0;
    for (const [index, { tenant, past, steps }] of changes.entries()) {
      const count = writes[index]?.events.length ?? 0;
      const added = recorded.slice(taken, taken + count);
      const approval = recordedApproval(tenant, [...past, ...added]);
      taken += count;
      if (approval === undefined) throw new Error('a request without ApprovalOpened');
      if (steps.some(({ decided }) => decided.length > 0)) {
        await keepQueueRow(tx, approval);
        await this.notices.keep(tx, approval, added);
      }
      approvals.push(approval);
    }
    return approvals;
  }

  private async writeOf(tx: PgTransaction, { tenant, past, steps, refused }: Change): Promise<{ readonly stream: StreamId; readonly expectedVersion: number; readonly events: readonly NewEvent[] }> {
    const decided = steps.flatMap((step) => step.decided.map((event) => ({ event, cause: step.cause })));
    const ids = decided[0]?.event.data ?? recordedApproval(tenant, past)?.state.request;
    if (ids === undefined) throw new Error('nothing to append to');
    const { approval_id, action_id } = ids;
    const key = decided.some(({ event }) => 'sealed' in event) ? await this.keys.actionKey(tenant, action_id, tx) : undefined;
    const events = await Promise.all(decided.map(({ event, cause }) => this.newEvent(event, key, cause)));
    if (refused !== undefined) events.push({ definition: VoteRefused, data: { approval_id, action_id, ...refused.attempt }, ...attributes(action_id, refused.cause) });
    return { stream: approvalStream(tenant, approval_id), expectedVersion: past.at(-1)?.version ?? 0, events };
  }

  /** Everything sealed of a request that people and deciders work with; undefined when the action was erased. */
  async content(approval: RecordedApproval, tx?: PgQueries): Promise<ApprovalContent | undefined> {
    const key = await this.keys.actionKey(approval.tenant, approval.state.request.action_id, tx);
    if (key === undefined) return undefined;
    return contentOf(approval, ({ envelope }) => (envelope.sealed === undefined ? undefined : open(key, envelope.sealed, envelope.id)));
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
const GIVES_AUTHORITY: readonly ApprovalEvent['type'][] = ['ApprovalOpened', 'ApprovalVoted', 'ApprovalGranted', 'ApprovalEdited', 'InformationGiven', 'ApprovalAnnotated'];

const attributes = (actionId: string, { actor, causationId, traceparent, now }: Cause): Pick<NewEvent, 'actor' | 'correlationId' | 'time'> & Partial<NewEvent> => ({
  actor,
  correlationId: actionId,
  time: toInstant(now),
  ...(causationId === undefined ? {} : { causationId }),
  ...(traceparent === undefined ? {} : { traceparent }),
});

