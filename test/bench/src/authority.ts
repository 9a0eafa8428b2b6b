import pg from 'pg';
import { closedLoop, openLoop } from './load.js';
import type { Measured, Rounds, Window } from './load.js';
import type { BenchTenant } from './bench-tenant.js';

export interface Grant {
  readonly grant_id: string;
  readonly grant: string;
  readonly scope_path: string;
  readonly run_id: string;
  readonly arguments_hash: string;
  used: number;
}

interface Proposed {
  readonly grant_id: string;
  readonly grant: string;
  readonly arguments_hash: string;
}

const TOOL = { name: 'bench.step', version: '1.0' };
let keys = 0;
const key = (): string => `k${(keys += 1)}-${process.pid}`;

const proposalOf = (scopePath: string, runId: string): object => ({ scope_path: scopePath, run_id: runId, action_kind: 'bench.step', tool: TOOL, arguments: { step: keys }, execution_mode: 'self', reversal: { reason: 'a benchmark' } });

const propose = (setting: BenchTenant, scopePath: string, runId: string): Promise<Proposed> => setting.wire.post<Proposed>('/v1/actions', proposalOf(scopePath, runId), setting.agentKey, key());

/** Grants with many uses, one for each client (or budget), so that a lifecycle is one reserve and one commit. */
export const grantsOn = async (setting: BenchTenant, scopePaths: readonly string[]): Promise<Grant[]> => {
  const grants: Grant[] = [];
  const queue = [...scopePaths.entries()];
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        const [index, scope_path] = next;
        const run_id = `run-${index}`;
        const { grant_id, grant, arguments_hash } = await propose(setting, scope_path, run_id);
        grants[index] = { grant_id, grant, scope_path, run_id, arguments_hash, used: 0 };
      }
    }),
  );
  return grants;
};

export const defineBudget = (setting: BenchTenant, scopePath: string, cap: string): Promise<{ budget_id: string }> => setting.wire.post('/v1/budgets', { tenant: setting.tenant, scope_path: scopePath, unit: 'RISK_POINTS', cap }, setting.adminToken, key());

const reserve = (setting: BenchTenant, grant: Grant): Promise<{ reservation_id: string }> => {
  grant.used += 1;
  const first = grant.used === 1 ? { grant: grant.grant } : {};
  return setting.wire.post('/v1/reservations', { ...first, grant_id: grant.grant_id, use_no: grant.used, execution_mode: 'self', scope_path: grant.scope_path, run_id: grant.run_id, action_kind: 'bench.step', tool: TOOL, arguments_hash: grant.arguments_hash }, setting.agentKey, key());
};

/** One lifecycle: reserve, then commit what was reserved. */
export const lifecycle = async (setting: BenchTenant, grant: Grant, reserved: () => void): Promise<void> => {
  const { reservation_id } = await reserve(setting, grant);
  reserved();
  await setting.wire.post(`/v1/reservations/${reservation_id}/commit`, { actual: [{ unit: 'RISK_POINTS', amount: '1' }] }, setting.agentKey, key());
};

/** The same over the Cycles surface: a hold on budget only, as other budget authorities know it. */
export const budgetLifecycle = async (setting: BenchTenant, place: Readonly<Record<string, string>>, reserved: () => void): Promise<void> => {
  const amount = { unit: 'RISK_POINTS', amount: 1 };
  const first = key();
  const { reservation_id } = await setting.wire.post<{ reservation_id: string }>('/cycles/v1/reservations', { idempotency_key: first, subject: { tenant: setting.tenant, ...place }, action: { kind: 'bench.step', name: 'bench' }, estimate: amount }, setting.agentKey, first);
  reserved();
  const second = key();
  await setting.wire.post(`/cycles/v1/reservations/${reservation_id}/commit`, { idempotency_key: second, actual: amount }, setting.agentKey, second);
};

export const proposeLoop = (setting: BenchTenant, clients: number, window: Window): Promise<Measured> =>
  closedLoop(clients, window, async (client) => {
    await propose(setting, `tenant:${setting.tenant}/app:propose`, `run-${client}`);
  });

/** Each client has a grant of its own on the one path (hot), or walks through many paths (spread). */
export const lifecycleLoop = (setting: BenchTenant, clients: number, window: Window, grants: readonly Grant[]): Promise<Rounds> => {
  const turns = new Array<number>(clients).fill(0);
  return closedLoop(clients, window, async (client, mark) => {
    const turn = turns[client] ?? 0;
    turns[client] = turn + 1;
    const share = Math.max(1, Math.floor(grants.length / clients));
    const grant = grants[(client * share + (turn % share)) % grants.length];
    if (grant === undefined) throw new Error('no grant');
    await lifecycle(setting, grant, mark);
  });
};

/** From the moment a proposal was due until its reservation is held: what an agent waits before it may act. */
export const proposeToAuthorised = (setting: BenchTenant, perSecond: number, window: Window): Promise<Measured> =>
  openLoop(perSecond, window, async (nth) => {
    const scope_path = `tenant:${setting.tenant}/app:latency`;
    const run_id = `latency-${nth}`;
    const { grant_id, grant, arguments_hash } = await propose(setting, scope_path, run_id);
    await reserve(setting, { grant_id, grant, arguments_hash, scope_path, run_id, used: 0 });
  });

export interface Ledger {
  readonly held: bigint;
  readonly committed: bigint;
  readonly overGrants: number;
  /** rows, and events that made them */
  readonly claims: number;
  readonly heldEvents: number;
  /** not ended */
  readonly standing: number;
}

/** The ledger after the load, by SQL: nothing held, nothing over its cap, a row and a gapless stream for every claim. */
export const ledger = async (setting: BenchTenant): Promise<Ledger> => {
  const client = new pg.Client({ connectionString: setting.databaseUrl });
  await client.connect();
  try {
    await client.query('SET search_path = reservations');
    const { rows } = await client.query<{ held: string; committed: string; over: string; claims: string; held_events: string; standing: string }>(`
      SELECT coalesce(sum(held), 0)::text AS held, coalesce(sum(committed), 0)::text AS committed, count(*) FILTER (WHERE held + committed > cap)::text AS over,
        (SELECT count(*) FROM reservation)::text AS claims, (SELECT count(*) FROM event WHERE type LIKE '%.ReservationHeld.%')::text AS held_events,
        (SELECT count(*) FROM reservation WHERE status IN ('Held', 'Started', 'Unknown'))::text AS standing
      FROM budget`);
    const [row] = rows;
    return { held: BigInt(row?.held ?? 0), committed: BigInt(row?.committed ?? 0), overGrants: Number(row?.over ?? 0), claims: Number(row?.claims ?? 0), heldEvents: Number(row?.held_events ?? 0), standing: Number(row?.standing ?? 0) };
  } finally {
    await client.end();
  }
};
