import { Inject, Injectable } from '@nestjs/common';
import { DriftDetected, streamKey } from '@exequatur/contracts';
import type { StreamId } from '@exequatur/contracts';
import { PgEventStore } from '@exequatur/event-store';
import type { Actor, PgTransaction } from '@exequatur/event-store';
import { toInstant } from '@exequatur/kernel';
import { detectDrift, measureRate } from '@exequatur/reservations-domain';
import { Database, LOGGER } from '@exequatur/service-kit';
import type { Logger } from 'pino';
import { databaseNow } from '../authority/runtime-authority.js';
import { raiseFence, TenantBoards } from '../authority/tenant-board.js';
import { CircuitMetrics } from './circuit-metrics.js';
import { circuitStream, CircuitStore } from './circuit-store.js';
import { recentKinds } from './fold-kinds.js';
import type { KindHistory } from './fold-kinds.js';
import { FoldSeen } from './fold-seen.js';

const MAX_FOLDS = 10;
const MAX_DUE = 50;
const JUDGE: Actor = { type: 'system', id: 'circuits' };

/** Requests people never decided are forgotten after this long; the longest term of a request is shorter. */
const FORGET = "DELETE FROM circuit_asked WHERE opened_at < clock_timestamp() - interval '90 days'";

const driftStream = (tenant: string, agent: string): StreamId => ({ tenant, aggregate: 'drift', id: agent });

/** Folds what was seen, then moves the circuits that are due, each in a transaction of its own under the exclusive fence. */
@Injectable()
export class JudgeCircuits {
  constructor(
    private readonly store: PgEventStore,
    private readonly database: Database,
    private readonly boards: TenantBoards,
    private readonly circuits: CircuitStore,
    private readonly seen: FoldSeen,
    private readonly metrics: CircuitMetrics,
    @Inject(LOGGER) private readonly log: Logger,
  ) {}

  async sweep(): Promise<void> {
    let folded = false;
    for (let fold = 0; fold < MAX_FOLDS && (await this.seen.fold()) > 0; fold++) folded = true;
    // What a judge that stopped half-way left is due still.
    const circuits = await this.database.query<{ tenant: string; circuit_id: string }>('SELECT tenant, circuit_id FROM circuit WHERE due ORDER BY circuit_id LIMIT $1', [MAX_DUE]);
    for (const { tenant, circuit_id } of circuits.rows) await this.judge(tenant, circuit_id);
    const agents = await this.database.query<{ tenant: string; agent: string }>('SELECT tenant, agent FROM agent_kinds WHERE due ORDER BY tenant, agent LIMIT $1', [MAX_DUE]);
    for (const { tenant, agent } of agents.rows) await this.judgeDrift(tenant, agent);
    if (folded) await this.database.query(FORGET);
  }

  /** Under the exclusive fence: when it commits, no batch can claim past an open circuit. */
  private async judge(tenant: string, circuitId: string): Promise<void> {
    const opened = await this.store.transact({ fences: [{ tenant, mode: 'exclusive' }], streams: [circuitStream(tenant, circuitId)] }, async (tx) => {
      const circuit = await this.circuits.lock(tx, tenant, circuitId);
      if (circuit?.due !== true) return undefined;
      const settings = await this.settings(tx, tenant);
      const rate = measureRate(circuit.counts, settings, await databaseNow(tx));
      const fenceEpoch = await raiseFence(tx, tenant);
      const { agent, actionKind, state, failed, succeeded } = circuit;
      const scope = { circuitId, agent, ...(actionKind === undefined ? {} : { actionKind }) };
      const now =
        state.status === 'HalfOpen'
          ? await this.circuits.decide(tx, tenant, circuit, { type: 'JudgeProbe', data: { ended: failed ?? 'committed', succeeded, rate, fenceEpoch } }, JUDGE)
          : await this.circuits.decide(tx, tenant, circuit, { type: 'JudgeCircuit', data: { ...scope, rate, settings, fenceEpoch } }, JUDGE);
      return now.status === 'Open' && state.status !== 'Open' ? { ...scope, ...rate } : undefined;
    });
    if (opened === undefined) return;
    this.metrics.opened();
    this.log.warn({ tenant, ...opened }, 'a circuit opened: the agent is paused until a person half-opens or closes it');
  }

  /** An early warning; nothing stops by it. */
  private async judgeDrift(tenant: string, agent: string): Promise<void> {
    const stream = driftStream(tenant, agent);
    const warned = await this.store.transact({ fences: [{ tenant, mode: 'shared' }], streams: [stream] }, async (tx) => {
      const { rows } = await tx.query<KindHistory & { warned_at: Date | null }>('UPDATE agent_kinds SET due = false WHERE tenant = $1 AND agent = $2 AND due RETURNING past, recent, warned_at', [tenant, agent]);
      const [row] = rows;
      if (row === undefined) return undefined;
      const nowMs = await databaseNow(tx);
      const drift = detectDrift({ agent, baseline: row.past, recent: recentKinds(row), settings: await this.settings(tx, tenant), nowMs, warnedAtMs: row.warned_at?.getTime() });
      if (drift === undefined) return undefined;
      await tx.query('UPDATE agent_kinds SET warned_at = $3 WHERE tenant = $1 AND agent = $2', [tenant, agent, toInstant(nowMs)]);
      const versions = await this.store.versions(tx, [stream]);
      await this.store.append(tx, [{ stream, expectedVersion: versions.get(streamKey(stream)) ?? 0, events: [{ definition: DriftDetected, data: drift, actor: JUDGE, time: toInstant(nowMs) }] }]);
      return drift;
    });
    if (warned === undefined) return;
    this.metrics.drifted();
    this.log.warn({ tenant, agent, psi_ppm: warned.psi_ppm }, 'what kinds of action an agent asks for has shifted');
  }

  private async settings(tx: PgTransaction, tenant: string) {
    return (await this.boards.read(tx, [tenant])).get(tenant)?.policy?.limits?.circuit ?? {};
  }
}
