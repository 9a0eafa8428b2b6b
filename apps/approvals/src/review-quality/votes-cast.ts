import { ApprovalEdited, ApprovalOpened, ApprovalRejected, ApprovalVoted, GlassBroken } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { PgTransaction } from '@exequatur/event-store';
import { eventsOf, type RecordedApproval } from '../approval-stream/recorded-approval.js';

const KEEP = `INSERT INTO vote_cast (tenant, vote_event_id, approval_id, person, vote, action_kind, rule_id, cast_at, opened_at, dwell_ms, narrowed, edited, emergency, reason_code)
SELECT $1, v.vote_event_id, $2, v.person, v.vote, $3, $4, v.cast_at, $5, v.dwell_ms, v.narrowed, v.edited, v.emergency, v.reason_code
FROM json_to_recordset($6::json) AS v (vote_event_id uuid, person text, vote text, cast_at timestamptz, dwell_ms bigint, narrowed boolean, edited boolean, emergency boolean, reason_code text)
ON CONFLICT DO NOTHING`;

/** One row a vote, for questions about how people review: a pure function of the request's stream. */
export const keepVotesCast = async (tx: PgTransaction, approval: RecordedApproval): Promise<void> => {
  const votes = eventsOf(approval, ApprovalVoted);
  if (votes.length === 0) return;
  const { request } = approval.state;
  const editors = eventsOf(approval, ApprovalEdited).map(({ envelope }) => (envelope.data as DataOf<typeof ApprovalEdited>).person);
  const emergency = eventsOf(approval, GlassBroken).length > 0;
  const rejected = eventsOf(approval, ApprovalRejected)[0]?.envelope.data as DataOf<typeof ApprovalRejected> | undefined;
  const rows = votes.map(({ envelope }) => {
    const { person, role, vote, caps, dwell_ms } = envelope.data as DataOf<typeof ApprovalVoted>;
    return { vote_event_id: envelope.id, person, vote, cast_at: envelope.time, dwell_ms: dwell_ms ?? null, narrowed: caps !== undefined, edited: editors.includes(person), emergency: emergency && role === 'break-glass', reason_code: vote === 'reject' ? (rejected?.reason_code ?? null) : null };
  });
  await tx.query(KEEP, [approval.tenant, request.approval_id, request.facts.action_kind, request.rule_id, eventsOf(approval, ApprovalOpened)[0]?.envelope.time ?? null, JSON.stringify(rows)]);
};
