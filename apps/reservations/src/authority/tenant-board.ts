import { Injectable } from '@nestjs/common';
import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { sha256Text, toInstant } from '@exequatur/kernel';
import { limitsOf, readPolicy } from '@exequatur/policy-domain';
import { policyLanguages } from '@exequatur/policy-languages';
import { policyInForce } from '@exequatur/reservations-domain';
import type { ActiveFreeze, FreezeScope, PolicyInForceNow } from '@exequatur/reservations-domain';
import { STANDING_CIRCUITS, standingCircuits } from '../circuits/standing-circuits.js';
import type { StandingCircuit, StandingCircuitRow } from '../circuits/standing-circuits.js';

/** What the tenant fence protects: read in a statement after its lock, it cannot change before this transaction ends. */
export interface TenantBoard {
  readonly fenceEpoch: number;
  readonly policy: PolicyInForceNow | undefined;
  readonly freezes: readonly ActiveFreeze[];
  readonly circuits: readonly StandingCircuit[];
}

interface BoardRow {
  tenant: string;
  epoch: string | null;
  policy_version: number | null;
  policy_hash: string | null;
  freezes: { freeze_id: string; scope: FreezeScope; value: string }[] | null;
  circuits: StandingCircuitRow[] | null;
}

const BOARD = `
SELECT t.tenant, f.epoch, p.policy_version, p.policy_hash,
  (SELECT jsonb_agg(jsonb_build_object('freeze_id', z.freeze_id, 'scope', z.scope, 'value', z.value)) FROM scope_freeze z WHERE z.tenant = t.tenant AND z.status <> 'Lifted') AS freezes,
  ${STANDING_CIRCUITS} AS circuits
FROM unnest($1::text[]) AS t (tenant) LEFT JOIN fence f USING (tenant) LEFT JOIN policy_in_force p USING (tenant)`;

/** Parsed policies of tenants; a (tenant, version, hash) never changes, so nothing here can be stale. It never says which is in force. */
const MAX_PARSED = 500;

@Injectable()
export class TenantBoards {
  private readonly parsed = new Map<string, PolicyInForceNow>();

  /** Boards by tenant. Call it under the tenants' fence locks, shared or exclusive. */
  async read(tx: PgTransaction, tenants: readonly string[]): Promise<ReadonlyMap<string, TenantBoard>> {
    const { rows } = await tx.query<BoardRow>({ name: 'authority-board', text: BOARD, values: [[...new Set(tenants)]] });
    const boards = new Map<string, TenantBoard>();
    for (const row of rows) {
      boards.set(row.tenant, {
        fenceEpoch: Number(row.epoch ?? 0),
        policy: row.policy_version === null || row.policy_hash === null ? undefined : await this.policy(tx, row.tenant, row.policy_version, row.policy_hash),
        freezes: (row.freezes ?? []).map(({ freeze_id, scope, value }) => ({ freezeId: freeze_id, scope, value })),
        circuits: standingCircuits(row.circuits),
      });
    }
    return boards;
  }

  private async policy(tx: PgTransaction, tenant: string, version: number, hash: string): Promise<PolicyInForceNow> {
    const key = JSON.stringify([tenant, version, hash]);
    const known = this.parsed.get(key);
    if (known !== undefined) return known;
    const { rows } = await tx.query<{ canonical: string; registered_kinds: string[] }>('SELECT canonical, registered_kinds FROM policy_in_force WHERE tenant = $1', [tenant]);
    const [row] = rows;
    if (row === undefined) throw new Error('the policy in force went away under its fence');
    if (sha256Text(Buffer.from(row.canonical, 'utf8')) !== hash) throw new Error('the policy in force is not the one its hash names');
    const canonical = readPolicy(row.canonical);
    const policy = policyInForce(version, hash, canonical, new Set(row.registered_kinds), limitsOf(canonical), policyLanguages.conditions);
    if (this.parsed.size >= MAX_PARSED) this.parsed.clear();
    this.parsed.set(key, policy);
    return policy;
  }
}

const EXPECT = `
SELECT must(count(*) = 0, 'a fence is not as it was expected'), must($3::timestamptz <= clock_timestamp() AND clock_timestamp() < $4::timestamptz, 'the time is not as it was expected')
FROM unnest($1::text[], $2::bigint[]) AS expected (tenant, epoch) WHERE expected.epoch <> coalesce((SELECT epoch FROM fence WHERE fence.tenant = expected.tenant), 0)`;

/** Without waiting for the answer, behind all locks: the transaction fails with class 23 where a fence was raised since, or where it is not from `nowMs` to before `untilMs`. */
export const sendExpectedBoards = (tx: PgTransaction, boards: ReadonlyMap<string, TenantBoard>, nowMs: number, untilMs: number): void =>
  tx.send({ name: 'authority-expect-boards', text: EXPECT, values: [[...boards.keys()], pgArray.int8([...boards.values()].map(({ fenceEpoch }) => fenceEpoch)), toInstant(nowMs), toInstant(untilMs)] });

const RAISE = `
WITH raised AS (
  INSERT INTO fence AS f (tenant, epoch) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET epoch = excluded.epoch WHERE f.epoch < excluded.epoch
  RETURNING 1
) SELECT must(count(*) = 1, 'a fence was raised under its exclusive lock') FROM raised`;

/** The epoch that `sendFence` may raise a tenant's fence to. Only under its exclusive fence lock. */
export const nextFence = async (tx: PgTransaction, tenant: string): Promise<number> => {
  const { rows } = await tx.query<{ epoch: string }>('SELECT epoch FROM fence WHERE tenant = $1', [tenant]);
  return Number(rows[0]?.epoch ?? 0) + 1;
};

export const sendFence = (tx: PgTransaction, tenant: string, epoch: number): void => tx.send({ text: RAISE, values: [tenant, epoch] });

/** The next epoch of a tenant. Only under its exclusive fence lock. */
export const raiseFence = async (tx: PgTransaction, tenant: string): Promise<number> => {
  const epoch = await nextFence(tx, tenant);
  sendFence(tx, tenant, epoch);
  return epoch;
};
