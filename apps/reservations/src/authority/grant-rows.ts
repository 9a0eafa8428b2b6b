import type { Grant } from '@exequatur/contracts';
import { pgArray, pipelined } from '@exequatur/event-store';
import type { PgTransaction } from '@exequatur/event-store';
import { formatAmounts, parseAmounts } from '@exequatur/kernel';
import type { Amounts } from '@exequatur/kernel';

export interface GrantRef {
  readonly tenant: string;
  readonly grantId: string;
}
export const grantKey = ({ tenant, grantId }: GrantRef): string => `${tenant}/${grantId}`;

const refOf = ({ tenant, grant_id: grantId }: Grant): GrantRef => ({ tenant, grantId });

/** The one order in which rows of grants are locked: statements below take them as they are given. */
const byKey = (left: GrantRef, right: GrantRef): number => (grantKey(left) < grantKey(right) ? -1 : 1);

/** A grant row as locked, with those of the uses asked for that are taken; `usesTaken` and `claimed` grow while a batch is decided. */
export interface LockedGrant {
  readonly claims: Grant | undefined;
  readonly closed: 'revoked' | 'withdrawn' | undefined;
  readonly usesTaken: Set<number>;
  /** by unit what all uses so far have claimed; only of grants with totals */
  claimed: Amounts | undefined;
  /** what the row says of it */
  readonly claimedBefore: Amounts | undefined;
}

const ADMIT = `
INSERT INTO grant_row (tenant, grant_id, action_id, claims, closed)
SELECT g.tenant, g.grant_id, g.action_id, g.claims, CASE WHEN w.action_id IS NOT NULL THEN 'withdrawn' END
FROM unnest($1::text[], $2::uuid[], $3::uuid[], $4::text[]) AS g (tenant, grant_id, action_id, claims)
LEFT JOIN withdrawn_action w ON w.tenant = g.tenant AND w.action_id = g.action_id
ON CONFLICT (tenant, grant_id) DO UPDATE SET claims = excluded.claims, action_id = excluded.action_id WHERE grant_row.claims IS NULL`;

/**
 * Makes rows for verified grants, by event or by first presentation, whichever comes first; a row that is there keeps its
 * claims, and a tombstone that came first keeps its effect. Under the tenants' fences, since ActionWithdrawn takes them
 * exclusively and so cannot pass between the two looks.
 */
export const admitGrants = async (tx: PgTransaction, grants: readonly Grant[]): Promise<void> => {
  const distinct = [...new Map(grants.map((grant) => [grantKey(refOf(grant)), grant])).values()].sort((left, right) => byKey(refOf(left), refOf(right)));
  if (distinct.length === 0) return;
  await tx.query({
    name: 'authority-admit',
    text: ADMIT,
    values: [pgArray.text(distinct.map(({ tenant }) => tenant)), pgArray.uuid(distinct.map(({ grant_id }) => grant_id)), pgArray.uuid(distinct.map(({ action_id }) => action_id)), pgArray.text(distinct.map((grant) => JSON.stringify(grant)))],
  });
};

const LOCK = `
SELECT g.tenant, g.grant_id, g.claims, g.closed, g.claimed FROM unnest($1::text[], $2::uuid[]) AS wanted (tenant, grant_id)
CROSS JOIN LATERAL (SELECT * FROM grant_row WHERE tenant = wanted.tenant AND grant_id = wanted.grant_id FOR UPDATE) AS g`;

const USES = `
SELECT r.tenant, r.grant_id, r.use_no FROM unnest($1::text[], $2::uuid[], $3::integer[]) AS wanted (tenant, grant_id, use_no)
CROSS JOIN LATERAL (SELECT * FROM reservation WHERE tenant = wanted.tenant AND grant_id = wanted.grant_id AND use_no = wanted.use_no) AS r`;

/** One use a command asks for. */
export interface UseRef extends GrantRef {
  readonly useNo: number;
}

/** Locks the rows in their order and reads the uses asked for in a later statement, which sees what the last holder committed. */
export const lockGrants = async (tx: PgTransaction, refs: readonly UseRef[]): Promise<ReadonlyMap<string, LockedGrant>> => {
  if (refs.length === 0) return new Map();
  const distinct = [...new Map(refs.map((ref) => [grantKey(ref), ref])).values()].sort(byKey);
  const columnsOf = (some: readonly GrantRef[]): Buffer[] => [pgArray.text(some.map(({ tenant }) => tenant)), pgArray.uuid(some.map(({ grantId }) => grantId))];
  const [{ rows }, uses] = await pipelined(
    tx.query<{ tenant: string; grant_id: string; claims: string | null; closed: 'revoked' | 'withdrawn' | null; claimed: Record<string, string> | null }>({ name: 'authority-lock-grants', text: LOCK, values: columnsOf(distinct) }),
    tx.query<{ tenant: string; grant_id: string; use_no: number }>({ name: 'authority-uses', text: USES, values: [...columnsOf(refs), pgArray.int4(refs.map(({ useNo }) => useNo))] }),
  );
  const grants = new Map(
    rows.map((row): [string, LockedGrant] => {
      const claimed = row.claimed === null ? undefined : parseAmounts(row.claimed);
      return [
        grantKey({ tenant: row.tenant, grantId: row.grant_id }),
        { claims: row.claims === null ? undefined : (JSON.parse(row.claims) as Grant), closed: row.closed ?? undefined, usesTaken: new Set(), claimed, claimedBefore: claimed },
      ];
    }),
  );
  for (const { tenant, grant_id, use_no } of uses.rows) grants.get(grantKey({ tenant, grantId: grant_id }))?.usesTaken.add(use_no);
  return grants;
};

const EXPECT = `
WITH locked AS (
  SELECT g.* FROM unnest($1::text[], $2::uuid[], $3::text[]) AS wanted (tenant, grant_id, claims)
  CROSS JOIN LATERAL (SELECT FROM grant_row WHERE tenant = wanted.tenant AND grant_id = wanted.grant_id AND closed IS NULL AND claimed IS NULL AND claims::jsonb = wanted.claims::jsonb FOR UPDATE) AS g
) SELECT must(count(*) = $4, 'a grant is not as it was expected') FROM locked`;

/**
 * Without waiting for an answer: admits and locks grants that are expected to be open and to say what was presented. The
 * transaction fails with class 23 where one is not. That a use is free is expected, too: the row of its claim says so.
 */
export const sendExpectedGrants = (tx: PgTransaction, grants: ReadonlyMap<string, LockedGrant>): void => {
  if (grants.size === 0) return;
  const claims = [...grants.values()].flatMap((grant) => grant.claims ?? []).sort((left, right) => byKey(refOf(left), refOf(right)));
  const rows = [pgArray.text(claims.map(({ tenant }) => tenant)), pgArray.uuid(claims.map(({ grant_id }) => grant_id))];
  const texts = pgArray.text(claims.map((grant) => JSON.stringify(grant)));
  tx.send({ name: 'authority-admit', text: ADMIT, values: [...rows, pgArray.uuid(claims.map(({ action_id }) => action_id)), texts] });
  tx.send({ name: 'authority-expect-grants', text: EXPECT, values: [...rows, texts, claims.length] });
};

/** A grant without totals of which no use is taken, as the one who presents it says. */
export const expectedGrant = (claims: Grant): LockedGrant => ({ claims, closed: undefined, usesTaken: new Set(), claimed: undefined, claimedBefore: undefined });

const CLAIMED = `
WITH claimed AS (
  UPDATE grant_row AS g SET claimed = c.claimed::jsonb
  FROM unnest($1::text[], $2::uuid[], $3::text[]) AS c (tenant, grant_id, claimed)
  WHERE g.tenant = c.tenant AND g.grant_id = c.grant_id
  RETURNING 1
) SELECT must(count(*) = $4, 'a grant went away under its lock') FROM claimed`;

/** Sends what uses of grants with totals have claimed altogether. */
export const sendClaimed = (tx: PgTransaction, grants: ReadonlyMap<string, LockedGrant>): void => {
  const moved: { readonly grant: Grant; readonly claimed: Amounts }[] = [];
  for (const { claims, claimed, claimedBefore } of grants.values()) if (claims !== undefined && claimed !== undefined && claimed !== claimedBefore) moved.push({ grant: claims, claimed });
  if (moved.length === 0) return;
  tx.send({
    name: 'authority-grant-claimed',
    text: CLAIMED,
    values: [pgArray.text(moved.map(({ grant }) => grant.tenant)), pgArray.uuid(moved.map(({ grant }) => grant.grant_id)), pgArray.text(moved.map(({ claimed }) => JSON.stringify(formatAmounts(claimed)))), moved.length],
  });
};
