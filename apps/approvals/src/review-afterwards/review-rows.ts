import { ActionReviewed, ReviewOpened } from '@exequatur/contracts';
import type { DataOf, StreamId } from '@exequatur/contracts';
import type { PgTransaction, RecordedEvent } from '@exequatur/event-store';

export const reviewStream = (tenant: string, actionId: string): StreamId => ({ tenant, aggregate: 'review', id: actionId });

const KEEP = `INSERT INTO action_review (tenant, action_id, version, tier, rule_id, agent, action_kind, opened_at, judgement, reviewed_by, reviewed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (tenant, action_id) DO UPDATE SET version = excluded.version, judgement = excluded.judgement, reviewed_by = excluded.reviewed_by, reviewed_at = excluded.reviewed_at`;

/** The row of a review, a pure function of its whole stream. */
export const keepReviewRow = async (tx: PgTransaction, tenant: string, events: readonly RecordedEvent[]): Promise<void> => {
  const opened = events.find(({ envelope }) => envelope.type === ReviewOpened.type);
  if (opened === undefined) throw new Error('a review that was never opened');
  const reviewed = events.find(({ envelope }) => envelope.type === ActionReviewed.type)?.envelope;
  const { action_id, tier, rule_id, facts } = opened.envelope.data as DataOf<typeof ReviewOpened>;
  const judged = reviewed?.data as DataOf<typeof ActionReviewed> | undefined;
  await tx.query(KEEP, [tenant, action_id, events.at(-1)?.version ?? 0, tier, rule_id, facts.agent, facts.action_kind, opened.envelope.time, judged?.judgement ?? null, judged?.person ?? null, reviewed?.time ?? null]);
};
