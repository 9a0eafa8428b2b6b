import type { DelegatedAuthority } from '@exequatur/contracts';
import { pgArray } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import type { Delegation, DelegationChain, DelegationParent } from '@exequatur/reservations-domain';

export interface DelegationRef {
  readonly tenant: string;
  readonly delegationId: string;
}

/** A delegation as locked; `now` changes while a batch is decided. */
export interface LockedDelegation {
  readonly tenant: string;
  readonly before: Delegation;
  now: Delegation;
}
export type LockedDelegations = ReadonlyMap<string, LockedDelegation>;

const keyOf = ({ tenant, delegationId }: DelegationRef): string => `${tenant}/${delegationId}`;

/** As it stands in the table. */
export interface DelegationRow {
  tenant: string;
  delegation_id: string;
  parent_type: DelegationParent['type'];
  parent_id: string;
  from_agent: string;
  to_agent: string;
  run_id: string;
  depth: number;
  authority: string;
  revoked: boolean;
  uses: number;
  amounts: string;
}

/** What a delegation rests on never changes, so the way up is read before it is locked. In the order of their keys, as everyone locks them. */
const LOCK = `
WITH RECURSIVE chain AS (
  SELECT d.tenant, d.delegation_id, d.above FROM unnest($1::text[], $2::uuid[]) AS wanted (tenant, delegation_id)
  CROSS JOIN LATERAL (SELECT * FROM delegation WHERE tenant = wanted.tenant AND delegation_id = wanted.delegation_id) AS d
  UNION
  SELECT d.tenant, d.delegation_id, d.above FROM chain CROSS JOIN LATERAL (SELECT * FROM delegation WHERE tenant = chain.tenant AND delegation_id = chain.above) AS d
)
SELECT d.tenant, d.delegation_id, d.parent_type, d.parent_id, d.from_agent, d.to_agent, d.run_id, d.depth, d.authority, d.revoked, d.uses, d.amounts
FROM (SELECT tenant, delegation_id FROM chain ORDER BY tenant, delegation_id) AS ordered
CROSS JOIN LATERAL (SELECT * FROM delegation WHERE tenant = ordered.tenant AND delegation_id = ordered.delegation_id FOR UPDATE) AS d`;

const NONE: LockedDelegations = new Map();

/** The delegations named and all above them, behind grants and reservations and before budgets. Asks nothing when none is named. */
export const lockDelegations = async (tx: PgTransaction, refs: readonly DelegationRef[]): Promise<LockedDelegations> => {
  if (refs.length === 0) return NONE;
  const distinct = [...new Map(refs.map((ref) => [keyOf(ref), ref])).values()];
  const { rows } = await tx.query<DelegationRow>({ name: 'delegations-lock', text: LOCK, values: [pgArray.text(distinct.map(({ tenant }) => tenant)), pgArray.uuid(distinct.map(({ delegationId }) => delegationId))] });
  return new Map(
    rows.map((row): [string, LockedDelegation] => {
      const delegation = delegationOf(row);
      return [keyOf({ tenant: row.tenant, delegationId: row.delegation_id }), { tenant: row.tenant, before: delegation, now: delegation }];
    }),
  );
};

const delegationOf = ({ delegation_id, parent_type, parent_id, from_agent, to_agent, run_id, depth, authority, revoked, uses, amounts }: DelegationRow): Delegation => ({
  delegationId: delegation_id,
  parent: { type: parent_type, id: parent_id },
  fromAgent: from_agent,
  toAgent: to_agent,
  runId: run_id,
  depth,
  authority: JSON.parse(authority) as DelegatedAuthority,
  revoked,
  used: { uses, amounts: Object.fromEntries(Object.entries(JSON.parse(amounts) as Record<string, string>).map(([unit, amount]) => [unit, BigInt(amount)])) },
});

/** The delegation asked for first, that of the grant or run last; undefined when none is asked for, empty when it is not there. */
export const chainOf = (tenant: string, delegationId: string | undefined, locked: LockedDelegations): DelegationChain | undefined => {
  if (delegationId === undefined) return undefined;
  const chain: Delegation[] = [];
  for (let id: string | undefined = delegationId; id !== undefined; ) {
    const link: Delegation | undefined = locked.get(keyOf({ tenant, delegationId: id }))?.now;
    if (link === undefined) break;
    chain.push(link);
    id = link.parent.type === 'delegation' ? link.parent.id : undefined;
  }
  return chain;
};

/** What a claim left of its delegations: the next command of the batch is judged on it. */
export const chargeDelegations = (tenant: string, charged: DelegationChain, locked: LockedDelegations): void => {
  for (const delegation of charged) {
    const row = locked.get(keyOf({ tenant, delegationId: delegation.delegationId }));
    if (row !== undefined) row.now = delegation;
  }
};

/** Every link is charged as it was judged, standing, or the whole batch is not. */
const CHARGE = `
WITH charged AS (
  UPDATE delegation d SET uses = u.uses, amounts = u.amounts FROM unnest($1::text[], $2::uuid[], $3::integer[], $4::text[], $5::integer[]) AS u (tenant, delegation_id, uses, amounts, expected)
  WHERE d.tenant = u.tenant AND d.delegation_id = u.delegation_id AND d.uses = u.expected AND NOT d.revoked
  RETURNING 1
) SELECT must(count(*) = $6, 'a delegation moved under its lock') FROM charged`;

export const sendDelegationUse = (tx: PgTransaction, locked: LockedDelegations): void => {
  if (locked.size === 0) return;
  const charged = [...locked.values()].filter(({ now, before }) => now !== before);
  if (charged.length === 0) return;
  tx.send({
    name: 'delegations-charge',
    text: CHARGE,
    values: [
      pgArray.text(charged.map(({ tenant }) => tenant)),
      pgArray.uuid(charged.map(({ now }) => now.delegationId)),
      pgArray.int4(charged.map(({ now }) => now.used.uses)),
      pgArray.text(charged.map(({ now }) => JSON.stringify(Object.fromEntries(Object.entries(now.used.amounts).map(([unit, amount]) => [unit, amount.toString()]))))),
      pgArray.int4(charged.map(({ before }) => before.used.uses)),
      charged.length,
    ],
  });
};
