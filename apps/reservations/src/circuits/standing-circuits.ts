import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { ActiveCircuit } from '@exequatur/reservations-domain';

/** A circuit that is not closed. `probesLeft` counts down while a batch is decided. */
export interface StandingCircuit extends ActiveCircuit {
  /** of its half-opening: probes of an earlier one say nothing about it */
  readonly fenceEpoch: number;
}

/** As `STANDING_CIRCUITS` gives it. */
export interface StandingCircuitRow {
  readonly circuit_id: string;
  readonly agent: string;
  readonly action_kind: string | null;
  readonly status: 'Open' | 'HalfOpen';
  readonly fence_epoch: number;
}

/** A column of the tenant's board, tenant in `t.tenant`: null where every circuit is closed. Which are open changes under the exclusive fence only. */
export const STANDING_CIRCUITS = `
(SELECT jsonb_agg(jsonb_build_object('circuit_id', c.circuit_id, 'agent', c.agent, 'action_kind', c.action_kind, 'status', c.status, 'fence_epoch', c.fence_epoch))
 FROM circuit c WHERE c.tenant = t.tenant AND c.status <> 'Closed')`;

/** Half-open ones have no probe to give until they are locked. */
export const standingCircuits = (rows: readonly StandingCircuitRow[] | null): readonly StandingCircuit[] =>
  (rows ?? []).map(({ circuit_id: circuitId, agent, action_kind: actionKind, status, fence_epoch: fenceEpoch }) => ({ circuitId, agent, ...(actionKind === null ? {} : { actionKind }), status, probesLeft: 0, fenceEpoch }));

const LOCK = `
SELECT c.circuit_id, c.probes_left FROM unnest($1::uuid[]) AS wanted (circuit_id)
CROSS JOIN LATERAL (SELECT * FROM circuit WHERE circuit_id = wanted.circuit_id FOR UPDATE) AS c`;

/** Circuits by tenant as claims are judged under them; tenants whose circuits are all closed are not in it. */
export type CircuitsNow = Map<string, readonly StandingCircuit[]>;

export const circuitsOn = (boards: ReadonlyMap<string, { readonly circuits: readonly StandingCircuit[] }>): CircuitsNow => {
  const circuits: CircuitsNow = new Map();
  for (const [tenant, { circuits: standing }] of boards) if (standing.length > 0) circuits.set(tenant, standing);
  return circuits;
};

const halfOpenIn = (circuits: CircuitsNow): readonly string[] => [...circuits.values()].flat().flatMap(({ circuitId, status }) => (status === 'HalfOpen' ? [circuitId] : []));

export const hasHalfOpen = (circuits: CircuitsNow): boolean => circuits.size > 0 && halfOpenIn(circuits).length > 0;

/** Reads what half-open ones have left to give, under the last locks of a batch, in the order of their ids. Asks nothing where there is none. */
export const lockProbes = async (tx: PgTransaction, circuits: CircuitsNow): Promise<void> => {
  if (!hasHalfOpen(circuits)) return;
  const { rows } = await tx.query<{ circuit_id: string; probes_left: number }>({ name: 'circuits-lock', text: LOCK, values: [pgArray.uuid([...halfOpenIn(circuits)].sort())] });
  const left = new Map(rows.map(({ circuit_id, probes_left }) => [circuit_id, probes_left]));
  for (const [tenant, standing] of circuits) circuits.set(tenant, standing.map((circuit) => ({ ...circuit, probesLeft: left.get(circuit.circuitId) ?? 0 })));
};

/** One claim that is a probe of these circuits. */
export interface TakenProbe {
  readonly reservationId: string;
  readonly circuitId: string;
  readonly fenceEpoch: number;
}

/** Takes one probe from each; what is left is what the next command of the batch sees. */
export const takeProbes = (circuits: CircuitsNow, tenant: string, reservationId: string, probes: readonly string[]): readonly TakenProbe[] => {
  const standing = circuits.get(tenant) ?? [];
  circuits.set(tenant, standing.map((circuit) => (probes.includes(circuit.circuitId) ? { ...circuit, probesLeft: circuit.probesLeft - 1 } : circuit)));
  return standing.filter(({ circuitId }) => probes.includes(circuitId)).map(({ circuitId, fenceEpoch }) => ({ reservationId, circuitId, fenceEpoch }));
};

/** Never more probes than a person let through: a circuit gives what it has left, in the half-opening they were asked under. */
const TAKE = `
WITH probe AS (
  INSERT INTO circuit_probe (reservation_id, circuit_id, fence_epoch) SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) RETURNING circuit_id, fence_epoch
), taken AS (
  UPDATE circuit c SET probes_left = c.probes_left - p.probes FROM (SELECT circuit_id, fence_epoch, count(*)::integer AS probes FROM probe GROUP BY circuit_id, fence_epoch) AS p
  WHERE c.circuit_id = p.circuit_id AND c.fence_epoch = p.fence_epoch AND c.status = 'HalfOpen' AND c.probes_left >= p.probes
  RETURNING 1
) SELECT must(count(*) = $4, 'a circuit moved under its lock') FROM taken`;

export const sendProbes = (tx: PgTransaction, taken: readonly TakenProbe[]): void => {
  if (taken.length === 0) return;
  tx.send({
    name: 'circuits-take',
    text: TAKE,
    values: [
      pgArray.uuid(taken.map(({ reservationId }) => reservationId)),
      pgArray.uuid(taken.map(({ circuitId }) => circuitId)),
      pgArray.int8(taken.map(({ fenceEpoch }) => fenceEpoch)),
      new Set(taken.map(({ circuitId }) => circuitId)).size,
    ],
  });
};
