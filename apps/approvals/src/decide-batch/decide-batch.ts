import { Injectable } from '@nestjs/common';
import type { Shape } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { canonicalBytes, sha256Text } from '@exequatur/kernel';
import { Problem, problem, type PersonPrincipal } from '@exequatur/service-kit';
import type { RecordedApproval } from '../approval-stream/recorded-approval.js';
import { staleDetail, type Attempt, type Decided, type DecidingPrincipal } from '../decide-request/decide-requests.js';
import { ListRequests } from '../list-requests/list-requests.js';
import { standingOf } from '../pages/standing.js';
import { groupKey, statusOf } from '../queue-view/queue-row.js';
import { Viewers } from '../queue-view/visibility.js';
import type { Ballot } from '../vote-on-request/ballots.js';
import { VoteOnRequest } from '../vote-on-request/vote-on-request.js';
import type { batchBody } from './decide-batch.http.js';

/** Requests decided at once: as many as a person can have looked through. */
export const BATCH_LIMIT = 50;

type Batch = Shape<typeof batchBody>;
type Member = Batch['items'][number];

export interface Preview {
  readonly group: string;
  readonly items: readonly (Member & { readonly title: string; readonly expires_at: string; readonly has_reversal: boolean })[];
  readonly expected_count: number;
  readonly set_hash: string;
}

export interface Result {
  readonly approval_id: string;
  readonly status?: string;
  readonly code?: string;
  readonly detail?: string;
}

/** Hash of the canonical list, sorted by id: the same set has the same hash whatever its order. */
export const setHash = (group: string, members: readonly Member[]): string => {
  const sorted = [...members].sort((left, right) => (left.approval_id < right.approval_id ? -1 : 1)).map(({ approval_id, version, view_hash }) => ({ approval_id, version, view_hash }));
  return sha256Text(canonicalBytes({ group, items: sorted }));
};

@Injectable()
export class DecideBatch {
  constructor(
    private readonly queue: ListRequests,
    private readonly viewers: Viewers,
    private readonly votes: VoteOnRequest,
  ) {}

  async preview(person: PersonPrincipal, group: string, limit: number): Promise<Preview> {
    const viewer = await this.viewers.viewer(person);
    const { items } = await this.queue.list(person, { group, limit: Math.max(1, limit) });
    const members = items
      .filter((entry) => standingOf(entry, viewer).mayVote)
      .map(({ approval_id, version, view_hash, decision_summary, expires_at, has_reversal }) => ({ approval_id, version, view_hash, title: decision_summary.title, expires_at, has_reversal }));
    return { group, items: members, expected_count: members.length, set_hash: setHash(group, members) };
  }

  /** @throws Problem INVALID, STALE when the set is not the one that was previewed, REASON_REQUIRED */
  check({ group, items, expected_count, set_hash, decision, reason }: Batch): void {
    if (items.length === 0) problem('INVALID', undefined, [{ pointer: '/items', expected: 'at least one' }]);
    if (new Set(items.map(({ approval_id }) => approval_id)).size !== items.length) problem('INVALID', undefined, [{ pointer: '/items', expected: 'each request once' }]);
    if (items.length !== expected_count || setHash(group, items) !== set_hash) problem('STALE', 'this is not the set that was previewed');
    if (decision === 'reject' && (reason ?? '').trim() === '') problem('REASON_REQUIRED', 'say why, the agents are told');
  }

  /** Each by itself, under all locks: one that cannot be decided leaves the others. */
  async decide(tx: PgTransaction, caller: DecidingPrincipal, batch: Batch, traceparent: string | undefined): Promise<{ readonly decided: number; readonly refused: number; readonly results: readonly Result[] }> {
    const attempts = batch.items.map((member) => attemptOn(member, batch, caller, traceparent));
    const byId = new Map(batch.items.map((member) => [member.approval_id, member]));
    const decided = await this.votes.voteEach(tx, attempts, (approvalId) => ballotFor(batch, byId.get(approvalId)), batch.decision);
    const results = decided.map((each, index) => resultOf(batch.items[index]?.approval_id ?? '', each));
    const refused = results.filter(({ code }) => code !== undefined).length;
    return { decided: results.length - refused, refused, results };
  }
}

const attemptOn = ({ approval_id, version }: Member, { group, decision }: Batch, caller: DecidingPrincipal, traceparent: string | undefined): Attempt => ({
  caller,
  approvalId: approval_id,
  ...(traceparent === undefined ? {} : { traceparent }),
  checkVersion: (approval: RecordedApproval) => {
    const { request } = approval.state;
    if (groupKey(request) !== group) problem('CONFLICT', 'it is not of this group');
    if (decision === 'approve' && !request.facts.has_reversal) problem('CONFLICT', 'there is no way to undo it: decide it by itself');
    if (approval.version !== version) problem('STALE', staleDetail(approval));
  },
});

const ballotFor = ({ decision, rationale, reason_code, reason, instruction }: Batch, member: Member | undefined): Ballot => {
  const view_hash = member?.view_hash ?? '';
  if (decision === 'approve') return { vote: 'approve', view_hash, ...(rationale === undefined ? {} : { rationale }) };
  return { vote: 'reject', view_hash, ...(reason_code === undefined ? {} : { reason_code }), ...(reason === undefined ? {} : { reason }), ...(instruction === undefined ? {} : { instruction }) };
};

const resultOf = (approvalId: string, decided: Decided | Problem): Result => {
  if (decided instanceof Problem) {
    const { code, detail } = decided.document();
    return { approval_id: approvalId, code, ...(detail === undefined ? {} : { detail }) };
  }
  const { approval, refusal } = decided;
  if (refusal === undefined) return { approval_id: approvalId, status: statusOf(approval) };
  return { approval_id: approvalId, code: refusal.code, ...(refusal.detail === undefined ? {} : { detail: refusal.detail }) };
};
