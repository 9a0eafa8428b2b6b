import { pgArray, pipelined } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';

/** One run of one agent, where the policy limits runs. */
export interface RunRef {
  readonly tenant: string;
  readonly agent: string;
  readonly runId: string;
}

/** A run as locked; `startedAtMs` is set by its first claim. */
export interface LockedRun extends RunRef {
  startedAtMs: number | undefined;
  /** this batch has its first claim */
  begun: boolean;
}

export const runKey = ({ tenant, agent, runId }: RunRef): string => `${tenant} ${agent} ${runId}`;

/** A run that nobody claimed in yet needs a row too, or two first claims would pass each other. */
const OPEN = `
INSERT INTO run (tenant, agent, run_id) SELECT tenant, agent, run_id FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (tenant, agent, run_id)
ON CONFLICT (tenant, agent, run_id) DO NOTHING`;

const LOCK = `
SELECT r.tenant, r.agent, r.run_id, r.started_at_ms FROM unnest($1::text[], $2::text[], $3::text[]) AS wanted (tenant, agent, run_id)
CROSS JOIN LATERAL (SELECT * FROM run WHERE tenant = wanted.tenant AND agent = wanted.agent AND run_id = wanted.run_id FOR UPDATE) AS r`;

const BEGIN = `
WITH begun AS (
  UPDATE run SET started_at_ms = b.started_at_ms
  FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) AS b (tenant, agent, run_id, started_at_ms)
  WHERE run.tenant = b.tenant AND run.agent = b.agent AND run.run_id = b.run_id AND run.started_at_ms IS NULL
  RETURNING 1
) SELECT must(count(*) = $5, 'a run began twice') FROM begun`;

const columnsOf = (runs: readonly RunRef[]): Buffer[] => [pgArray.text(runs.map(({ tenant }) => tenant)), pgArray.text(runs.map(({ agent }) => agent)), pgArray.text(runs.map(({ runId }) => runId))];

/** Locks the runs in the order given, which is the callers' to keep the same for all. */
export const lockRuns = async (tx: PgTransaction, runs: readonly RunRef[]): Promise<readonly LockedRun[]> => {
  if (runs.length === 0) return [];
  const values = columnsOf(runs);
  const [, { rows }] = await pipelined(
    tx.query({ name: 'authority-open-runs', text: OPEN, values }),
    tx.query<{ tenant: string; agent: string; run_id: string; started_at_ms: string | null }>({ name: 'authority-lock-runs', text: LOCK, values }),
  );
  return rows.map(({ tenant, agent, run_id, started_at_ms }) => ({ tenant, agent, runId: run_id, startedAtMs: started_at_ms === null ? undefined : Number(started_at_ms), begun: false }));
};

/** Sends the runs that began in this batch. */
export const sendRuns = (tx: PgTransaction, runs: ReadonlyMap<string, LockedRun>): void => {
  if (runs.size === 0) return;
  const begun = [...runs.values()].filter((run) => run.begun);
  if (begun.length === 0) return;
  tx.send({ name: 'authority-begin-runs', text: BEGIN, values: [...columnsOf(begun), pgArray.int8(begun.map(({ startedAtMs }) => startedAtMs ?? 0)), begun.length] });
};
