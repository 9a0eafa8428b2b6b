import { pgArray, pipelined } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { VelocityCounter } from '@exequatur/reservations-domain';

/** What one rule counts for one subject. */
export interface VelocityRef {
  readonly tenant: string;
  readonly ruleId: string;
  readonly subject: string;
}

/** A counter as locked, and as the batch leaves it. */
export interface LockedVelocity extends VelocityRef {
  slices: readonly VelocityCounter[];
  /** the oldest slice that still counts, as the last claim saw it */
  fromMs: number;
  moved: boolean;
}

export const velocityKey = (tenant: string, ruleId: string, subject: string): string => JSON.stringify([tenant, ruleId, subject]);

/** The first claim of a subject needs a row to lock too, or two of them would pass each other. */
const OPEN = `
INSERT INTO velocity_counter (tenant, rule_id, subject) SELECT tenant, rule_id, subject FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (tenant, rule_id, subject)
ON CONFLICT (tenant, rule_id, subject) DO NOTHING`;

const LOCK = `
SELECT v.tenant, v.rule_id, v.subject, v.slices FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (tenant, rule_id, subject)
CROSS JOIN LATERAL (SELECT * FROM velocity_counter WHERE tenant = wanted.tenant AND rule_id = wanted.rule_id AND subject = wanted.subject FOR UPDATE) AS v`;

const COUNT = `
WITH counted AS (
  UPDATE velocity_counter AS v SET slices = c.slices::jsonb, idle_from_ms = c.idle_from_ms
  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[]) AS c (tenant, rule_id, subject, slices, idle_from_ms)
  WHERE v.tenant = c.tenant AND v.rule_id = c.rule_id AND v.subject = c.subject
  RETURNING 1
) SELECT must(count(*) = $6, 'a velocity counter went away under its lock') FROM counted`;

const columnsOf = (refs: readonly VelocityRef[]): Buffer[] => [pgArray.text(refs.map(({ tenant }) => tenant)), pgArray.text(refs.map(({ ruleId }) => ruleId)), pgArray.text(refs.map(({ subject }) => subject))];

/** Locks the counters in the order given, which is the callers' to keep the same for all. */
export const lockVelocity = async (tx: PgTransaction, refs: readonly VelocityRef[]): Promise<readonly LockedVelocity[]> => {
  if (refs.length === 0) return [];
  const values = columnsOf(refs);
  const [, { rows }] = await pipelined(
    tx.query({ name: 'authority-open-velocity', text: OPEN, values }),
    tx.query<{ tenant: string; rule_id: string; subject: string; slices: [number, number, string][] }>({ name: 'authority-lock-velocity', text: LOCK, values }),
  );
  return rows.map(({ tenant, rule_id: ruleId, subject, slices }) => ({
    tenant,
    ruleId,
    subject,
    slices: slices.map(([sliceStartMs, count, amount]) => ({ ruleId, subject, sliceStartMs, count, amount: BigInt(amount) })),
    fromMs: 0,
    moved: false,
  }));
};

/** The counter with one slice as a claim left it. */
export const countedOn = (locked: LockedVelocity, slice: VelocityCounter): void => {
  locked.slices = [...locked.slices.filter(({ sliceStartMs }) => sliceStartMs !== slice.sliceStartMs && sliceStartMs >= locked.fromMs), slice].sort((left, right) => left.sliceStartMs - right.sliceStartMs);
  locked.moved = true;
};

/** Sends the counters that claims of this batch moved. */
export const sendVelocity = (tx: PgTransaction, counters: ReadonlyMap<string, LockedVelocity>, nowMs: number): void => {
  if (counters.size === 0) return;
  const moved = [...counters.values()].filter((counter) => counter.moved);
  if (moved.length === 0) return;
  tx.send({
    name: 'authority-count-velocity',
    text: COUNT,
    values: [
      ...columnsOf(moved),
      pgArray.text(moved.map(({ slices }) => JSON.stringify(slices.map(({ sliceStartMs, count, amount }) => [sliceStartMs, count, amount.toString()])))),
      // As far ahead as the oldest slice that counts lies behind, and a tenth more.
      pgArray.int8(moved.map(({ fromMs }) => nowMs + Math.ceil((nowMs - fromMs) * 1.1))),
      moved.length,
    ],
  });
};
