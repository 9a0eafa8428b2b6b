import { ApprovalEdited, ApprovalOpened, ApprovalRejected, ApprovalVoted, CanaryAnswered, EditProposed, GlassBroken } from '@exequatur/contracts';
import type { DataOf } from '@exequatur/contracts';
import type { PgTransaction, RecordedEvent } from '@exequatur/event-store';
import { eventsOf, type RecordedApproval } from '../approval-stream/recorded-approval.js';

const KEEP = `INSERT INTO vote_cast (tenant, vote_event_id, approval_id, person, vote, action_kind, rule_id, cast_at, opened_at, dwell_ms, narrowed, edited, emergency, reason_code, overrides, noticed)
SELECT $1, v.vote_event_id, $2, v.person, v.vote, $3, $4, v.cast_at, $5, v.dwell_ms, v.narrowed, v.edited, v.emergency, v.reason_code, v.overrides, v.noticed
FROM json_to_recordset($6::json) AS v (vote_event_id uuid, person text, vote text, cast_at timestamptz, dwell_ms bigint, narrowed boolean, edited boolean, emergency boolean, reason_code text, overrides boolean, noticed boolean)
ON CONFLICT DO NOTHING`;

/** One row a decision of a person, for questions about how people review: a pure function of the request's stream. */
export const keepVotesCast = async (tx: PgTransaction, approval: RecordedApproval): Promise<void> => {
  const rows = [...votes(approval), ...eventsOf(approval, EditProposed).map(beyond), ...eventsOf(approval, CanaryAnswered).map(planted)];
  if (rows.length === 0) return;
  const { request } = approval.state;
  await tx.query(KEEP, [approval.tenant, request.approval_id, request.facts.action_kind, request.rule_id, eventsOf(approval, ApprovalOpened)[0]?.envelope.time ?? null, JSON.stringify(rows)]);
};

const votes = (approval: RecordedApproval): readonly object[] => {
  const editors = eventsOf(approval, ApprovalEdited).map(({ envelope }) => (envelope.data as DataOf<typeof ApprovalEdited>).person);
  const broken = eventsOf(approval, GlassBroken).length > 0;
  const rejected = eventsOf(approval, ApprovalRejected)[0]?.envelope.data as DataOf<typeof ApprovalRejected> | undefined;
  return eventsOf(approval, ApprovalVoted).map(({ envelope }) => {
    const { person, role, vote, caps, dwell_ms } = envelope.data as DataOf<typeof ApprovalVoted>;
    const emergency = broken && role === 'break-glass';
    return { ...common(envelope), person, vote, dwell_ms: dwell_ms ?? null, narrowed: caps !== undefined, edited: editors.includes(person), emergency, overrides: emergency, reason_code: vote === 'reject' ? (rejected?.reason_code ?? null) : null };
  });
};

/** More than what the rule judged was asked for: looser than it suggests. */
const beyond = ({ envelope }: RecordedEvent): object => ({ ...common(envelope), person: (envelope.data as DataOf<typeof EditProposed>).person, vote: 'edit', edited: true, overrides: true });

const planted = ({ envelope }: RecordedEvent): object => {
  const { person, vote, noticed, dwell_ms } = envelope.data as DataOf<typeof CanaryAnswered>;
  return { ...common(envelope), person, vote, noticed, dwell_ms: dwell_ms ?? null };
};

const common = ({ id, time }: RecordedEvent['envelope']): object => ({ vote_event_id: id, cast_at: time, narrowed: false, edited: false, emergency: false, overrides: false });
