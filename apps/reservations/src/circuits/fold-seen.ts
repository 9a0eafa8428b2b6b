import { Injectable } from '@nestjs/common';
import type { CircuitSettings } from '@exequatur/contracts';
import { pgArray, PgEventStore } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { circuitIdOf } from '@exequatur/reservations-domain';
import type { OutcomeCounts } from '@exequatur/reservations-domain';
import { TenantBoards } from '../authority/tenant-board.js';
import { foldKind } from './fold-kinds.js';
import type { KindHistory } from './fold-kinds.js';
import { circuitsOf, foldDecided, foldProbe, isDecided } from './fold-outcomes.js';
import type { FoldedCircuit, OutcomeToFold, ProbeOf } from './fold-outcomes.js';

/** Outcomes folded in one transaction. */
const MAX_FOLDED = 1_000;

const TAKE = `
DELETE FROM circuit_outcome WHERE position IN (SELECT position FROM circuit_outcome ORDER BY position LIMIT $1 FOR UPDATE SKIP LOCKED)
RETURNING position, tenant, agent, action_kind, outcome, reservation_id, at`;

interface OutcomeRow {
  position: string;
  tenant: string;
  agent: string;
  action_kind: string;
  outcome: OutcomeToFold['outcome'];
  reservation_id: string | null;
  at: Date;
}

interface CircuitRow {
  circuit_id: string;
  agent: string;
  action_kind: string | null;
  status: FoldedCircuit['status'];
  fence_epoch: string;
  moved_at_ms: number;
  counts: OutcomeCounts;
  probes: number;
  probes_left: number;
  succeeded: number;
  failed: 'refused' | 'unknown' | null;
  due: boolean;
}

const CREATE = `
INSERT INTO circuit (circuit_id, tenant, agent, action_kind) SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[])
ON CONFLICT (circuit_id) DO NOTHING`;
const LOCK = `
SELECT c.circuit_id, c.agent, c.action_kind, c.status, c.fence_epoch, greatest(floor(extract(epoch FROM c.moved_at) * 1000), 0)::double precision AS moved_at_ms, c.counts, c.probes, c.probes_left, c.succeeded, c.failed, c.due
FROM unnest($1::uuid[]) AS wanted (circuit_id) CROSS JOIN LATERAL (SELECT * FROM circuit WHERE circuit_id = wanted.circuit_id FOR UPDATE) AS c`;
const WRITE = `
UPDATE circuit c SET counts = f.counts::jsonb, probes_left = f.probes_left, succeeded = f.succeeded, failed = f.failed, due = f.due = 1
FROM unnest($1::uuid[], $2::text[], $3::integer[], $4::integer[], $5::text[], $6::integer[]) AS f (circuit_id, counts, probes_left, succeeded, failed, due) WHERE c.circuit_id = f.circuit_id`;

/** Outcomes that were put down become counts. It moves no circuit: what may have to move is marked as due. */
@Injectable()
export class FoldSeen {
  constructor(
    private readonly store: PgEventStore,
    private readonly boards: TenantBoards,
  ) {}

  /** @returns how many were folded; MAX_FOLDED means there may be more */
  async fold(): Promise<number> {
    return this.store.transact({ streams: [] }, async (tx) => {
      const { rows } = await tx.query<OutcomeRow>(TAKE, [MAX_FOLDED]);
      if (rows.length === 0) return 0;
      const outcomes = rows.sort((one, other) => Number(one.position) - Number(other.position)).map(outcomeOf);
      const settings = await this.settings(tx, outcomes);
      await this.foldCircuits(tx, outcomes, settings);
      await this.foldKinds(tx, outcomes, settings);
      return rows.length;
    });
  }

  private async settings(tx: PgTransaction, outcomes: readonly OutcomeToFold[]): Promise<(tenant: string) => CircuitSettings> {
    const boards = await this.boards.read(tx, outcomes.map(({ tenant }) => tenant));
    return (tenant) => boards.get(tenant)?.policy?.limits?.circuit ?? {};
  }

  private async foldCircuits(tx: PgTransaction, outcomes: readonly OutcomeToFold[], settings: (tenant: string) => CircuitSettings): Promise<void> {
    const probes = await this.probesIn(tx, outcomes);
    const circuits = await this.lock(tx, outcomes, probes);
    for (const seen of outcomes) {
      const { tenant, outcome, atMs, reservationId } = seen;
      if (isDecided(outcome)) {
        for (const { circuitId } of circuitsOf(tenant, seen)) {
          const circuit = circuits.get(circuitId);
          if (circuit !== undefined) foldDecided(circuit, outcome, settings(tenant), atMs);
        }
        continue;
      }
      for (const probe of probes.get(reservationId ?? '') ?? []) {
        const circuit = circuits.get(probe.circuitId);
        if (circuit !== undefined) foldProbe(circuit, probe, outcome);
      }
    }
    const all = [...circuits];
    await tx.query(WRITE, [
      pgArray.uuid(all.map(([id]) => id)),
      pgArray.text(all.map(([, { counts }]) => JSON.stringify(counts))),
      pgArray.int4(all.map(([, { probesLeft }]) => probesLeft)),
      pgArray.int4(all.map(([, { succeeded }]) => succeeded)),
      pgArray.text(all.map(([, { failed }]) => failed ?? null)),
      pgArray.int4(all.map(([, { due }]) => (due ? 1 : 0))),
    ]);
  }

  private async probesIn(tx: PgTransaction, outcomes: readonly OutcomeToFold[]): Promise<ReadonlyMap<string, readonly ProbeOf[]>> {
    const ids = outcomes.flatMap(({ outcome, reservationId }) => (isDecided(outcome) || reservationId === undefined ? [] : [reservationId]));
    const probes = new Map<string, ProbeOf[]>();
    if (ids.length === 0) return probes;
    const { rows } = await tx.query<{ reservation_id: string; circuit_id: string; fence_epoch: string }>('DELETE FROM circuit_probe WHERE reservation_id = ANY($1::uuid[]) RETURNING reservation_id, circuit_id, fence_epoch', [ids]);
    for (const { reservation_id, circuit_id, fence_epoch } of rows) probes.set(reservation_id, [...(probes.get(reservation_id) ?? []), { circuitId: circuit_id, fenceEpoch: Number(fence_epoch) }]);
    return probes;
  }

  /** In the order of their ids, as everyone locks them; those that were never seen are made. */
  private async lock(tx: PgTransaction, outcomes: readonly OutcomeToFold[], probes: ReadonlyMap<string, readonly ProbeOf[]>): Promise<ReadonlyMap<string, FoldedCircuit>> {
    const wanted = new Map(outcomes.flatMap((seen) => (isDecided(seen.outcome) ? circuitsOf(seen.tenant, seen).map(({ circuitId, scope }) => [circuitId, { tenant: seen.tenant, ...scope }] as const) : [])));
    const fresh = [...wanted].sort(([one], [other]) => (one < other ? -1 : 1));
    await tx.query(CREATE, [pgArray.uuid(fresh.map(([id]) => id)), pgArray.text(fresh.map(([, { tenant }]) => tenant)), pgArray.text(fresh.map(([, { agent }]) => agent)), pgArray.text(fresh.map(([, scope]) => scope.actionKind ?? null))]);
    const ids = [...new Set([...wanted.keys(), ...[...probes.values()].flat().map(({ circuitId }) => circuitId)])].sort();
    const { rows } = await tx.query<CircuitRow>(LOCK, [pgArray.uuid(ids)]);
    // Forgotten between the two statements: nothing is lost, the next fold makes it anew.
    if (fresh.some(([id]) => !rows.some((row) => row.circuit_id === id))) throw new Error('a circuit was forgotten while outcomes were counted');
    return new Map(rows.map((row) => [row.circuit_id, circuitOf(row)]));
  }

  /** What the agent asked for, whether people agreed or not; a refusal after an approval was asked for before. */
  private async foldKinds(tx: PgTransaction, outcomes: readonly OutcomeToFold[], settings: (tenant: string) => CircuitSettings): Promise<void> {
    const asked = outcomes.filter(({ outcome }) => outcome === 'accepted' || outcome === 'rejected');
    const agents = [...new Map(asked.map(({ tenant, agent }) => [circuitIdOf(tenant, { agent }), { tenant, agent }])).entries()].sort(([one], [other]) => (one < other ? -1 : 1));
    for (const [, { tenant, agent }] of agents) {
      await tx.query('INSERT INTO agent_kinds (tenant, agent) VALUES ($1, $2) ON CONFLICT DO NOTHING', [tenant, agent]);
      const { rows } = await tx.query<KindHistory>('SELECT past, recent FROM agent_kinds WHERE tenant = $1 AND agent = $2 FOR UPDATE', [tenant, agent]);
      const before: KindHistory = rows[0] ?? { past: {}, recent: [] };
      const now = asked.filter((seen) => seen.tenant === tenant && seen.agent === agent).reduce((history, { actionKind, atMs }) => foldKind(history, actionKind, settings(tenant), atMs), before);
      await tx.query('UPDATE agent_kinds SET past = $3, recent = $4, due = true WHERE tenant = $1 AND agent = $2', [tenant, agent, JSON.stringify(now.past), JSON.stringify(now.recent)]);
    }
  }
}

const outcomeOf = ({ tenant, agent, action_kind: actionKind, outcome, reservation_id, at }: OutcomeRow): OutcomeToFold => ({ tenant, agent, actionKind, outcome, atMs: at.getTime(), ...(reservation_id === null ? {} : { reservationId: reservation_id }) });

const circuitOf = ({ agent, action_kind, status, fence_epoch, moved_at_ms, counts, probes, probes_left, succeeded, failed, due }: CircuitRow): FoldedCircuit => ({
  agent,
  ...(action_kind === null ? {} : { actionKind: action_kind }),
  status,
  fenceEpoch: Number(fence_epoch),
  movedAtMs: moved_at_ms,
  counts,
  probes,
  probesLeft: probes_left,
  succeeded,
  failed: failed ?? undefined,
  due,
});
