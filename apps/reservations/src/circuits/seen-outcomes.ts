import type { Code, DataOf, Grant, ReservationRefused } from '@exequatur/contracts';
import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { CircuitOutcome, FreezeSubject } from '@exequatur/reservations-domain';

/** How a claim that was a probe of a half-open circuit went on. */
export type ProbeOutcome = 'probe_committed' | 'probe_unknown' | 'probe_given_back';

/** What circuits are judged on: one decided action, or one probe. */
export interface SeenOutcome {
  readonly tenant: string;
  readonly agent: string;
  readonly actionKind: string;
  readonly outcome: CircuitOutcome | ProbeOutcome;
  /** of probes */
  readonly reservationId?: string;
}

/** Stops of people and of circuits are nobody's fault but theirs; they would keep a circuit open by themselves. */
const STOPPED: ReadonlySet<Code> = new Set<Code>(['FROZEN', 'CIRCUIT_OPEN', 'POLICY_NOT_YET_KNOWN']);

/** A refusal of what people had approved counts against the agent that asked, of the kind that was approved. */
export const outcomeOfRefusal = (tenant: string, { code, after_approval: afterApproval, agent }: Pick<DataOf<typeof ReservationRefused>, 'code' | 'after_approval' | 'agent'>, grant: Grant | undefined): readonly SeenOutcome[] =>
  !afterApproval || grant === undefined || STOPPED.has(code) ? [] : [{ tenant, agent, actionKind: grant.action_kind, outcome: 'denied_after_approval' }];

const ENDS: Readonly<Record<string, ProbeOutcome>> = { ReservationCommitted: 'probe_committed', ReservationMarkedUnknown: 'probe_unknown', ReservationReleased: 'probe_given_back', ReservationExpired: 'probe_given_back' };

/** How a probe went on; nothing for events that end nothing. */
export const outcomeOfEnd = (tenant: string, { agent, actionKind }: Pick<FreezeSubject, 'agent' | 'actionKind'>, reservationId: string, event: string): readonly SeenOutcome[] => {
  const outcome = ENDS[event];
  return outcome === undefined ? [] : [{ tenant, agent, actionKind, outcome, reservationId }];
};

const INSERT = `
INSERT INTO circuit_outcome (tenant, agent, action_kind, outcome, reservation_id)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[])`;

/** Puts them down with the transaction that brings them; `JudgeCircuits` folds them. Sends nothing when there is nothing. */
export const sendSeen = (tx: PgTransaction, seen: readonly SeenOutcome[]): void => {
  if (seen.length === 0) return;
  tx.send({
    name: 'circuits-seen',
    text: INSERT,
    values: [
      pgArray.text(seen.map(({ tenant }) => tenant)),
      pgArray.text(seen.map(({ agent }) => agent)),
      pgArray.text(seen.map(({ actionKind }) => actionKind)),
      pgArray.text(seen.map(({ outcome }) => outcome)),
      pgArray.uuid(seen.map(({ reservationId }) => reservationId ?? null)),
    ],
  });
};

/** People agreed: who asked needs no longer be known. */
export const forgetAsked = (tx: PgTransaction, approvalIds: readonly string[]): void => {
  if (approvalIds.length > 0) tx.send({ name: 'circuits-forget', text: 'DELETE FROM circuit_asked WHERE approval_id = ANY($1::uuid[])', values: [pgArray.uuid(approvalIds)] });
};
