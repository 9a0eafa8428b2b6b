import { Injectable } from '@nestjs/common';
import { argumentChanges, MOST_POINTERS, type CardContext, type Edit, type RequestFacts, type SimilarApproved } from '@exequatur/approvals-domain';
import { ApprovalGranted, ApprovalRejected } from '@exequatur/contracts';
import type { DataOf, SealedProposal } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { parseStrict } from '@exequatur/kernel';
import { ApprovalStreams } from '../approval-stream/approval-streams.js';
import { eventsOf } from '../approval-stream/recorded-approval.js';
import { alikeRejections } from './alike-rejections.js';

const MOST_REJECTIONS = 3;
const POINTER_LIMIT = 200;
const LONGEST_CHANGE = 2_000;

const LAST_GRANTED = `SELECT approval_id FROM approval_request WHERE tenant = $1 AND agent = $2 AND action_kind = $3 AND status = 'granted' ORDER BY resolved_at DESC LIMIT 1`;
const REJECTED_IN_RUN = `SELECT approval_id FROM approval_request WHERE tenant = $1 AND agent = $2 AND action_kind = $3 AND status = 'rejected' AND run_id = $4 ORDER BY resolved_at DESC LIMIT ${MOST_REJECTIONS}`;

/**
 * Where a new request stands among earlier ones of the same agent and kind. Of earlier content only the names of places that
 * differ are kept, never values: that content may be erased, and this card must not keep it alive.
 */
@Injectable()
export class CardContexts {
  constructor(private readonly streams: ApprovalStreams) {}

  async forRequest(tx: PgTransaction, request: RequestFacts, proposal: SealedProposal): Promise<CardContext> {
    const { facts } = request;
    const key = [facts.tenant, facts.agent, facts.action_kind];
    const granted = (await tx.query<{ approval_id: string }>(LAST_GRANTED, key)).rows[0]?.approval_id;
    const rejected = (await tx.query<{ approval_id: string }>(REJECTED_IN_RUN, [...key, facts.run_id])).rows;
    const similar = granted === undefined ? undefined : await this.similar(tx, facts.tenant, granted, proposal);
    const rejections: CardContext['rejections'][number][] = [];
    const alike = await alikeRejections(this.streams, tx, request, proposal);
    for (const approval_id of [...rejected.map((row) => row.approval_id), ...alike].slice(0, MOST_REJECTIONS)) rejections.push(...(await this.rejection(tx, facts.tenant, approval_id)));
    const edit = await this.edit(tx, request, proposal);
    return { ...(similar === undefined ? {} : { similar }), rejections, exchanges: [], annotations: [], ...(edit === undefined ? {} : { edit }) };
  }

  /** Where a person wrote the arguments in the agent's place: who, and what is another now; what stood there stays with the request before. */
  private async edit(tx: PgTransaction, { facts, follows, edited_by }: RequestFacts, proposal: SealedProposal): Promise<Edit | undefined> {
    if (follows === undefined || edited_by === undefined) return undefined;
    const before = (await tx.query<{ approval_id: string }>('SELECT approval_id FROM approval_request WHERE tenant = $1 AND action_id = $2 LIMIT 1', [facts.tenant, follows])).rows[0];
    const approval = before === undefined ? undefined : await this.streams.load(tx, facts.tenant, before.approval_id);
    const content = approval === undefined ? undefined : await this.streams.content(approval, tx);
    const { changes } = content === undefined ? { changes: [] } : argumentChanges(parseStrict(content.proposal.arguments), parseStrict(proposal.arguments));
    return { by: edited_by, changes: changes.slice(0, MOST_POINTERS).map(({ pointer, now }) => ({ pointer: pointer.slice(0, POINTER_LIMIT), before: '', now: (now ?? '').slice(0, LONGEST_CHANGE) })) };
  }

  private async similar(tx: PgTransaction, tenant: string, approvalId: string, proposal: SealedProposal): Promise<SimilarApproved | undefined> {
    const approval = await this.streams.load(tx, tenant, approvalId);
    const grantedEvent = approval === undefined ? undefined : eventsOf(approval, ApprovalGranted)[0];
    if (approval === undefined || grantedEvent === undefined) return undefined;
    const content = await this.streams.content(approval, tx);
    if (content === undefined) return undefined;
    const before = parseStrict((content.read(grantedEvent) as SealedProposal).arguments);
    const { changes, unchanged } = argumentChanges(before, parseStrict(proposal.arguments));
    const { approver_ids } = grantedEvent.envelope.data as DataOf<typeof ApprovalGranted>;
    const named = (wanted: (change: (typeof changes)[number]) => boolean): string[] => changes.filter(wanted).slice(0, MOST_POINTERS).map(({ pointer }) => pointer.slice(0, POINTER_LIMIT));
    return {
      approval_id: approvalId,
      decided_at: grantedEvent.envelope.time,
      decided_by: approver_ids,
      amounts: approval.state.request.facts.amounts,
      changed: named(({ before: was, now }) => was !== undefined && now !== undefined),
      added: named(({ before: was }) => was === undefined),
      removed: named(({ now }) => now === undefined),
      unchanged,
    };
  }

  private async rejection(tx: PgTransaction, tenant: string, approvalId: string): Promise<CardContext['rejections']> {
    const approval = await this.streams.load(tx, tenant, approvalId);
    return (approval === undefined ? [] : eventsOf(approval, ApprovalRejected)).map(({ envelope }) => {
      const { person, reason_code, instruction } = envelope.data as DataOf<typeof ApprovalRejected>;
      return { approval_id: approvalId, at: envelope.time, person, reason_code, instruction };
    });
  }
}
