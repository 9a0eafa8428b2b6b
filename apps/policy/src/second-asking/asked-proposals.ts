import type { ApprovalRejected, DataOf, EventEnvelope } from '@exequatur/contracts';
import { definitionOf } from '@exequatur/contracts';
import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { Rejection } from '@exequatur/policy-domain';
import type { Queryable } from '@exequatur/service-kit';

/** One proposal as far as equality is concerned. */
export interface AskedProposal {
  readonly tenant: string;
  readonly actionId: string;
  readonly agent: string;
  readonly runId: string;
  readonly equality: Buffer;
}

const HELD = `
SELECT DISTINCT ON (p.position) p.position, a.action_id, a.reason_code, a.instruction
FROM unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) WITH ORDINALITY AS p (tenant, agent, run_id, equality, position)
JOIN asked_proposal a ON a.tenant = p.tenant AND a.agent = p.agent AND a.equality = p.equality AND a.rejected_at IS NOT NULL
  AND (a.run_id = p.run_id OR (a.holds = 'agent' AND a.rejected_at > now() - interval '24 hours'))
ORDER BY p.position, a.rejected_at DESC`;

/** The latest rejection that still holds against each of these, by action id. */
export const rejectionsOf = async (tx: Queryable, proposals: readonly AskedProposal[]): Promise<ReadonlyMap<string, Rejection>> => {
  const { rows } = await tx.query<{ position: string; action_id: string; reason_code: string; instruction: string }>(HELD, [
    pgArray.text(proposals.map(({ tenant }) => tenant)),
    pgArray.text(proposals.map(({ agent }) => agent)),
    pgArray.text(proposals.map(({ runId }) => runId)),
    pgArray.bytea(proposals.map(({ equality }) => equality)),
  ]);
  return new Map(rows.map((row) => [proposals[Number(row.position) - 1]?.actionId ?? '', { actionId: row.action_id, reasonCode: row.reason_code, instruction: row.instruction }]));
};

/** Remembers what goes to people now; sent. */
export const rememberAsked = (tx: PgTransaction, asked: readonly (AskedProposal & { readonly holds: 'run' | 'agent' })[]): void => {
  if (asked.length === 0) return;
  tx.send({
    name: 'asked-proposal-insert',
    text: 'INSERT INTO asked_proposal (tenant, action_id, agent, run_id, equality, holds) SELECT * FROM unnest($1::text[], $2::uuid[], $3::text[], $4::text[], $5::bytea[], $6::text[])',
    values: [
      pgArray.text(asked.map(({ tenant }) => tenant)),
      pgArray.uuid(asked.map(({ actionId }) => actionId)),
      pgArray.text(asked.map(({ agent }) => agent)),
      pgArray.text(asked.map(({ runId }) => runId)),
      pgArray.bytea(asked.map(({ equality }) => equality)),
      pgArray.text(asked.map(({ holds }) => holds)),
    ],
  });
};

/** A rejection is kept this long for the run it was in; nobody proposes the same in one run for a month. */
const KEPT = `interval '30 days'`;
const ENDS = ['ApprovalGranted', 'ApprovalAnswered', 'ApprovalExpired', 'ApprovalCancelled'];

/** How people decided, in the transaction that takes the event. Only a rejection is remembered. */
export const settleAsked = async (tx: Queryable, events: readonly EventEnvelope[]): Promise<void> => {
  for (const event of events) {
    const name = definitionOf(event.type)?.name ?? '';
    if (name === 'ApprovalRejected') {
      const { action_id, reason_code, instruction } = event.data as DataOf<typeof ApprovalRejected>;
      await tx.query('UPDATE asked_proposal SET rejected_at = $3, reason_code = $4, instruction = $5 WHERE tenant = $1 AND action_id = $2', [event.tenant, action_id, event.time, reason_code, instruction]);
      await tx.query(`DELETE FROM asked_proposal WHERE tenant = $1 AND rejected_at < now() - ${KEPT}`, [event.tenant]);
    } else if (ENDS.includes(name)) {
      await tx.query('DELETE FROM asked_proposal WHERE tenant = $1 AND action_id = $2 AND rejected_at IS NULL', [event.tenant, (event.data as { action_id?: string }).action_id ?? null]);
    }
  }
};
